"""Weights that a later run of the same training takes up again."""

from collections.abc import Mapping
from pathlib import Path

from torch import nn

from zoo.weights import WeightsError
from zoo.weights.files import load_state, read_tensors, save_tensors


def save_weights(network: nn.Module, path: Path, provenance: Mapping[str, str]) -> None:
    """Write the weights of `network` with `provenance` as metadata; atomic."""
    save_tensors(path, network.state_dict(), provenance)


def load_weights(network: nn.Module, path: Path, provenance: Mapping[str, str]) -> bool:
    """Load `path` into `network` if it exists and was written with the same `provenance`; return whether it was."""
    if not path.exists():
        return False
    try:
        state, metadata = read_tensors(path)
        if metadata != dict(provenance):
            return False
        load_state(network, state, str(path))
    except WeightsError:
        return False
    return True
