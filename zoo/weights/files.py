"""A network in one safetensors file: weights, and the spec as metadata. Loading it needs no class and runs no code."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from zoo.errors import SpecError, first_line
from zoo.files import write_atomic
from zoo.network import Network
from zoo.spec import ArchSpec
from zoo.weights.errors import WeightsError

_FORMAT = "edgezoo-1"


def save_tensors(path: Path, state: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors and `metadata` as safetensors; atomic."""
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    write_atomic(path, save(tensors, metadata=dict(metadata)))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors and the metadata of a safetensors file; raises WeightsError in one line."""
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else first_line(error)
        raise WeightsError(f"cannot read weights from {path}: {reason}") from None


def save_model(network: Network, path: str | Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write a network with its spec into one safetensors file; atomic.

    `metadata` adds texts under names of its own (data, recipe, accuracy). Raises EdgezooError where the file cannot
    be written.
    """
    if not isinstance(network, Network):
        raise WeightsError(f"only networks made by ArchSpec.build have a spec to save, not {type(network).__name__}")
    own = {
        "format": _FORMAT,
        "spec": network.spec.to_json(),
        "num_classes": str(network.num_classes),
        "in_chans": str(network.in_chans),
    }
    clash = set(own) & set(metadata or {})
    if clash:
        raise WeightsError(f"metadata {sorted(clash)[0]!r} is a name that the file uses itself")
    save_tensors(Path(path), network.state_dict(), {**own, **(metadata or {})})


def load_model(path: str | Path) -> Network:
    """Return the network in a file of `save_model`, in evaluation mode.

    Raises WeightsError where the file is missing, damaged, of another format, or its weights are not those of its spec.
    """
    state, metadata = read_tensors(Path(path))
    if metadata.get("format") != _FORMAT:
        raise WeightsError(f"{path} holds no network of edgezoo (no spec among its metadata); see zoo.save_model")
    try:
        spec = ArchSpec.from_json(metadata["spec"])
        num_classes, in_chans = int(metadata["num_classes"]), int(metadata["in_chans"])
        with torch.device("meta"):
            network = spec.build(num_classes, in_chans)
    except (SpecError, KeyError, ValueError, RuntimeError) as error:
        raise WeightsError(f"{path}: {first_line(error)}") from None
    load_state(network, state, str(path))
    return network.eval()


def load_state(network: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Put `state` into `network`, whose own tensors may be on the meta device; raises WeightsError where it misfits."""
    own = network.state_dict()
    for name, tensor in own.items():
        if name not in state:
            raise WeightsError(f"{source}: no weights for {name}")
        if state[name].shape != tensor.shape:
            raise WeightsError(f"{source}: {name} is {_size(state[name])}, the network wants {_size(tensor)}")
    surplus = [name for name in state if name not in own]
    if surplus:
        raise WeightsError(f"{source}: {surplus[0]} is no part of the network (and {len(surplus) - 1} more)")
    network.load_state_dict(dict(state), assign=True)


def _size(tensor: Tensor) -> str:
    return json.dumps(list(tensor.shape))
