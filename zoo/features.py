"""Where a network hands out its feature maps, and the network that returns them instead of scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from zoo.errors import SpecError
from zoo.spec import ArchSpec

if TYPE_CHECKING:
    from zoo.network import Network


@dataclass(frozen=True)
class FeaturePoint:
    """The last block of one resolution.

    Attributes:
        index: of the block.
        chans: of its output.
        reduction: stride of its output against the image.
    """

    index: int
    chans: int
    reduction: int


def feature_points(spec: ArchSpec) -> tuple[FeaturePoint, ...]:
    """Return the last block of each resolution; the 1x1 convolutions that prepare the classifier are left out."""
    last = len(spec.blocks)
    while last > 1 and _is_pointwise(spec, last - 1):
        last -= 1
    points, reduction = [], 1
    for index, block in enumerate(spec.blocks[:last]):
        if block.stride > 1 and index > 0 and reduction > 1:
            points.append(FeaturePoint(index - 1, spec.blocks[index - 1].out_chans, reduction))
        reduction *= block.stride
    points.append(FeaturePoint(last - 1, spec.blocks[last - 1].out_chans, reduction))
    return tuple(points)


def _is_pointwise(spec: ArchSpec, index: int) -> bool:
    block = spec.blocks[index]
    return block.kind == "conv" and block.stride == 1 and dict(block.options).get("kernel") == 1


class FeatureNetwork(nn.Module):
    """(N, in_chans, H, W) -> list of feature maps, as timm's `features_only` networks return them.

    Attributes:
        feature_info: timm's description of the maps: `.channels()`, `.reduction()`, `.module_name()`.
    """

    def __init__(self, network: "Network", points: Sequence[FeaturePoint], out_indices: Sequence[int] | None) -> None:
        super().__init__()
        from zoo.timm_import import FeatureInfo

        chosen = tuple(range(len(points)) if out_indices is None else out_indices)
        for index in chosen:
            if not -len(points) <= index < len(points):
                raise SpecError(f"out_indices: {index} of {len(points)} feature maps; they count from 0")
        info: list[dict[str, Any]] = [
            {"num_chs": p.chans, "reduction": p.reduction, "module": f"blocks.{p.index}"} for p in points
        ]
        chosen = tuple(sorted(index % len(points) for index in chosen))
        self.feature_info = FeatureInfo(info, chosen)
        self._taps = tuple(points[index].index for index in chosen)
        self.network = network
        del network.head
        del network.blocks[max(self._taps) + 1 :]

    def forward(self, x: Tensor) -> list[Tensor]:
        return self.network.run_blocks(x, self._taps)[1]

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Trade time for memory in training: recompute each block in the backward pass."""
        self.network.set_grad_checkpointing(enable)
