"""Published networks made wider or narrower, deeper or shallower."""

from collections.abc import Sequence

import torch

from zoo.block_spec import BlockSpec, with_option
from zoo.blocks.layers import make_divisible
from zoo.errors import SpecError
from zoo.features import feature_points
from zoo.spec import ArchSpec

_DIVISORS = (8, 12, 16, 20, 24, 32, 40, 48, 64)


def scale_width(spec: ArchSpec, factor: float) -> ArchSpec:
    """Return `spec` with `factor` times the output channels of every block; the head's own layers stay.

    Channels are rounded as MobileNet's are (arXiv:1801.04381), to multiples of 8 and never more than 10 % down; where
    the blocks demand it, to the next larger multiple with which all of them can be built (groups, units that keep
    some channels). Raises SpecError where none does.
    """
    _check(factor)
    if factor == 1:
        return spec
    reason = ""
    for divisor in _DIVISORS:
        try:
            scaled = spec.replace(blocks=tuple(_widened(block, factor, divisor) for block in spec.blocks))
            _check_head(scaled)
        except SpecError as error:
            reason = reason or str(error)
        else:
            return scaled
    raise SpecError(f"no network of {factor:g} times the width: {reason}")


def scale_depth(spec: ArchSpec, factor: float) -> ArchSpec:
    """Return `spec` with `factor` times the blocks in each stage, at least one; see `deepened`."""
    blocks = deepened(spec.blocks, factor)
    return spec if blocks == spec.blocks else spec.replace(blocks=blocks)


def deepened(blocks: Sequence[BlockSpec], factor: float) -> tuple[BlockSpec, ...]:
    """Return the blocks of a network with `factor` times as many in each stage.

    A stage is a run of blocks of one kind and width of which only the first may have a stride. Its last block is
    repeated, or its last blocks go; one of a single block stays as it is.
    """
    _check(factor)
    scaled: list[BlockSpec] = []
    for stage in _stages(blocks):
        depth = max(1, int(len(stage) * factor + 0.5)) if len(stage) > 1 else 1
        scaled += stage[:depth] + stage[-1:] * (depth - len(stage))
    return tuple(scaled)


def _check(factor: float) -> None:
    if not 0 < factor < float("inf"):
        raise SpecError(f"a factor must be above 0 and finite, got {factor}")


def _widened(block: BlockSpec, factor: float, divisor: int) -> BlockSpec:
    chans = make_divisible(block.out_chans * factor, divisor)
    options = dict(block.options)
    if options.get("groups") == block.out_chans:  # a depthwise convolution stays one
        block = with_option(block, groups=chans)
    return BlockSpec(kind=block.kind, out_chans=chans, stride=block.stride, options=block.options)


def _check_head(spec: ArchSpec) -> None:
    """Raise SpecError where the head cannot take the channels of the last block."""
    with torch.device("meta"):
        spec.head.build(spec.blocks[-1].out_chans, 2, [point.chans for point in feature_points(spec)])


def _stages(blocks: Sequence[BlockSpec]) -> list[list[BlockSpec]]:
    stages: list[list[BlockSpec]] = []
    for block in blocks:
        if stages and block.stride == 1 and _alike(stages[-1][-1], block):
            stages[-1].append(block)
        else:
            stages.append([block])
    return stages


def _alike(first: BlockSpec, second: BlockSpec) -> bool:
    # a 1x1 convolution behind a 3x3 one is another layer, not a repetition
    same_layer = first.kind != "conv" or first.options == second.options
    return same_layer and (first.kind, first.out_chans) == (second.kind, second.out_chans)
