"""A network on its way through a recipe: its spec, what was changed since, and its weights.

Changed structures are kept as what was changed, in order. Building the spec and changing it in the same way gives
modules of the same shapes, into which the weights are read: nothing is unpickled.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from torch import nn

from model_compression.low_rank.factorize import Factors, factorized_structure
from model_compression.pruning.channels import prune_channels
from zoo import ArchSpec
from zoo.weights.files import load_state


class Pruned(BaseModel):
    """Output channels taken out, by the group of layers that share them (`pruning.channels.channel_groups`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["pruned"] = "pruned"
    removed: dict[str, tuple[int, ...]]


class Factorized(BaseModel):
    """Layers taken apart, by name: the kind of decomposition and its ranks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["factorized"] = "factorized"
    layers: dict[str, tuple[str, tuple[int, ...]]]


Change = Annotated[Pruned | Factorized, Field(discriminator="kind")]
CHANGES = TypeAdapter(tuple[Change, ...])


@dataclass(frozen=True)
class Compressed:
    """A trained network after some steps.

    Attributes:
        spec: in its deployed form, from which `changes` lead to `network`.
        network: with its weights, float, in evaluation mode.
        file: the quantized ONNX file that stands for the network from the quantization on.
    """

    spec: ArchSpec
    network: nn.Module
    changes: tuple[Change, ...] = ()
    file: Path | None = None

    @property
    def dtype(self) -> str:
        """Number format of what ships."""
        return "int8" if self.file else "fp32"


def rebuild(
    spec: ArchSpec, changes: Sequence[Change], state: Mapping, *, num_classes: int, in_chans: int, source: str
) -> nn.Module:
    """Return the network of `spec` after `changes`, with the weights `state`, in evaluation mode.

    Raises PruningError, FactorizationError or WeightsError where the changes or the weights are of another network;
    `source` names where they came from.
    """
    network: nn.Module = spec.build(num_classes, in_chans)
    shape = (1, in_chans, spec.resolution, spec.resolution)
    for change in changes:
        if isinstance(change, Pruned):
            network = prune_channels(network, change.removed, shape)
        else:
            factors = {name: Factors(kind, ranks) for name, (kind, ranks) in change.layers.items()}
            network = factorized_structure(network, factors)
    load_state(network, state, source)
    return network.eval()
