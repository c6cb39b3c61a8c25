"""Published networks for images of some 32 pixels, which their first strides would throw away."""

from zoo.errors import SpecError
from zoo.spec import ArchSpec, BlockSpec

_STRIDES_TAKEN = 2


def for_small_images(spec: ArchSpec, resolution: int = 32) -> ArchSpec:
    """Return `spec` without its first two strides, as is the custom for CIFAR; a pooling layer among them goes.

    Raises SpecError where a block cannot do without its stride.
    """
    blocks, taken = [], 0
    for block in spec.blocks:
        if block.stride > 1 and taken < _STRIDES_TAKEN:
            taken += 1
            if block.kind.endswith("_pool"):
                continue
            block = BlockSpec(kind=block.kind, out_chans=block.out_chans, options=block.options)
        blocks.append(block)
    try:
        return spec.replace(resolution=resolution, blocks=tuple(blocks))
    except SpecError as error:
        raise SpecError(f"no form for small images: {error}") from None
