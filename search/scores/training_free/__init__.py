"""Scores of a network that need no training, only its first weights and at most one batch of images.

A new score is one file here with `@PROXIES.register`: a function of a network, images (N, C, H, W), normalised, and
their labels (N,), larger for better networks. It leaves the network as it is: what it spoils is a `working_copy`.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from search.errors import SearchError
from search.scores.training_free.combination import COMBINED, combine
from zoo import ArchSpec
from zoo.data import Splits
from zoo.errors import first_line
from zoo.registry import Registry
from zoo.training.preprocessing import normalize, resize

Proxy = Callable[[nn.Module, Tensor, Tensor], float]
PROXIES: Registry[Proxy] = Registry("training-free score", "search.scores.training_free", "(nwot, synflow, zico, ...)")


class ProxyScores(dict[str, float]):
    """Values by name; nan where a score could not be had.

    Attributes:
        failures: why not, by the name of the score.
    """

    def __init__(self) -> None:
        super().__init__()
        self.failures: dict[str, str] = {}


def training_free_scores(
    spec_or_network: ArchSpec | nn.Module,
    data: Splits,
    *,
    names: Sequence[str] = COMBINED,
    batch_size: int = 64,
    seed: int = 0,
) -> ProxyScores:
    """Return the scores called `names`; one that fails or is not finite is nan with a reason in `failures`.

    Args:
        spec_or_network: a spec is built with `seed`, a network taken as it is and left so.
        data: equal data, `batch_size` and `seed` give every network the same training images.

    Raises UnknownNameError for a name that is not in `PROXIES`.
    """
    proxies = {name: PROXIES.get(name) for name in names}
    network = spec_or_network
    if isinstance(network, ArchSpec):
        network = network.build(data.num_classes, data.in_chans, seed=seed)
    spec = getattr(network, "spec", None)
    images, labels = training_batch(data, spec.resolution if spec else data.resolution, batch_size, seed)
    device = next(network.parameters()).device
    scores = ProxyScores()
    for name, proxy in proxies.items():
        scores[name], reason = float("nan"), ""
        try:
            value = float(proxy(network, images.to(device), labels.to(device)))
            reason = "" if abs(value) < float("inf") else f"it became {value}"
        except Exception as error:  # whatever one network does to one score, the others are had
            reason = f"{type(error).__name__}: {first_line(error)}"
        if reason:
            scores.failures[name] = reason
        else:
            scores[name] = value
    return scores


def training_batch(data: Splits, resolution: int, size: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return up to `size` training images, drawn by `seed` and normalised, at `resolution` pixels, and their labels."""
    if size < 2:
        raise SearchError(f"batch_size must be at least 2, got {size}: scores compare images")
    chosen = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(seed))[:size]
    images = resize(normalize(data.train.images[chosen], *data.statistics()), resolution)
    return images, data.train.labels[chosen]


__all__ = ["COMBINED", "PROXIES", "Proxy", "ProxyScores", "combine", "training_batch", "training_free_scores"]
