"""Published weights into a network of ours: the same tensors in the same order under other names."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from zoo.network import Network
from zoo.weights.errors import WeightsError


def in_order(state: Mapping[str, Tensor], network: nn.Module, source: str) -> dict[str, Tensor]:
    """Return `state` under the names of `network`, tensor for tensor in order.

    Raises WeightsError unless the numbers and shapes agree one by one, apart from the counters of batch norm, which
    some files lack.
    """
    own = {name: tensor for name, tensor in network.state_dict().items() if not _is_counter(name)}
    given = [(name, tensor) for name, tensor in state.items() if not _is_counter(name)]
    if len(given) != len(own):
        raise WeightsError(f"{source}: {len(given)} tensors for the {len(own)} of the network")
    renamed = {}
    for (name, tensor), (theirs, value) in zip(own.items(), given, strict=True):
        if value.shape != tensor.shape:
            raise WeightsError(f"{source}: {theirs} is {list(value.shape)}, {name} of the network {list(tensor.shape)}")
        renamed[name] = value
    counters = {name: torch.zeros((), dtype=torch.int64) for name in network.state_dict() if _is_counter(name)}
    return renamed | counters


def _is_counter(name: str) -> bool:
    return name.endswith("num_batches_tracked")


def adapt(published: Network, network: Network) -> dict[str, Tensor]:
    """Return the weights of `published` for `network`, the same but for its classes and input channels.

    A classifier for other classes keeps the new weights; the first convolution sums (one channel) or repeats its
    filters over the channels, scaled to keep the size of its output, as timm does.
    """
    state = published.state_dict()
    if network.num_classes != published.num_classes:
        prefix = "head.classifier"
        state = {name: value for name, value in state.items() if not name.startswith(prefix)}
        state |= {name: value for name, value in network.state_dict().items() if name.startswith(prefix)}
    for name, wanted in network.state_dict().items():
        if state[name].shape == wanted.shape:
            continue
        given = state[name]
        if given.ndim == 4 and given.shape[1] == 3 and wanted.shape[1] == network.in_chans:
            state[name] = _adapt_channels(given, network.in_chans)
        else:
            raise WeightsError(f"{name}: weights for {published.in_chans} channels cannot serve {network.in_chans}")
    return state


def _adapt_channels(weight: Tensor, in_chans: int) -> Tensor:
    if in_chans == 1:
        return weight.sum(1, keepdim=True)
    repeats = -(-in_chans // 3)
    return weight.repeat(1, repeats, 1, 1)[:, :in_chans] * (3 / in_chans)
