"""Weights in safetensors files that say what they belong to."""

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from zoo.files import write_atomic


def save_weights(network: nn.Module, path: Path, provenance: Mapping[str, str]) -> None:
    """Write the weights of `network` with `provenance` as metadata; atomic."""
    tensors = {name: tensor.detach().contiguous().clone() for name, tensor in network.state_dict().items()}
    write_atomic(path, save(tensors, metadata=dict(provenance)))


def load_weights(network: nn.Module, path: Path, provenance: Mapping[str, str]) -> bool:
    """Load `path` into `network` if it exists and was written with the same `provenance`; return whether it was."""
    if not path.exists():
        return False
    try:
        with safe_open(path, framework="pt") as file:
            if (file.metadata() or {}) != dict(provenance):
                return False
            network.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except (SafetensorError, RuntimeError):
        return False
    return True
