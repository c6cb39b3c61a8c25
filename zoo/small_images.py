"""Published networks for images of some 32 pixels, which their first strides would throw away."""

from collections.abc import Sequence

from zoo.block_spec import BlockSpec
from zoo.errors import SpecError
from zoo.spec import ArchSpec


def for_small_images(spec: ArchSpec, resolution: int = 32, *, strides: int = 2) -> ArchSpec:
    """Return `spec` without its first `strides` strides, two as is the custom for CIFAR; see `without_strides`.

    Raises SpecError where a block cannot do without its stride.
    """
    if not strides:
        return spec.at_resolution(resolution)
    try:
        return spec.replace(resolution=resolution, blocks=without_strides(spec.blocks, strides))
    except SpecError as error:
        raise SpecError(f"no form for small images: {error}") from None


def without_strides(blocks: Sequence[BlockSpec], strides: int) -> tuple[BlockSpec, ...]:
    """Return the blocks of a network without the first `strides` strides; a pooling layer among them goes."""
    kept, taken = [], 0
    for block in blocks:
        if block.stride > 1 and taken < strides:
            taken += 1
            if block.kind.endswith("_pool"):
                continue
            block = BlockSpec(kind=block.kind, out_chans=block.out_chans, options=block.options)
        kept.append(block)
    return tuple(kept)
