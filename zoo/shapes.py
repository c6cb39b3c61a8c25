"""Shapes of feature maps, found without computing them."""

from functools import lru_cache

import torch
from torch import nn

from zoo.block_spec import MAX_BLOCK_WEIGHTS, BlockSpec
from zoo.blocks.layers import SqueezeExcite, set_same_padding
from zoo.errors import SpecError, first_line

Shape = tuple[int, int, int]


@lru_cache(maxsize=65536)
def block_weights(block: BlockSpec, in_chans: int) -> int:
    """Return how many weights `block` has; raises SpecError unless it can be built for `in_chans`."""
    with torch.device("meta"):
        weights = sum(p.numel() for p in block.build(in_chans).parameters())
    if weights > MAX_BLOCK_WEIGHTS:
        raise SpecError(f"{block.kind}: {weights:,} weights; at most {MAX_BLOCK_WEIGHTS:,} in one block")
    return weights


# layers that keep every shape, the slowest ones on the meta device
_SHAPELESS = (nn.BatchNorm2d, nn.ReLU, nn.ReLU6, nn.Hardswish, nn.SiLU, nn.GELU, nn.PReLU, SqueezeExcite)


def _convolutions_alone(module: nn.Module) -> nn.Module:
    """Take out of `module` what does not matter for the shape of its output."""
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if isinstance(child, _SHAPELESS):
                setattr(parent, name, nn.Identity())
    return module


def _output_size(block: BlockSpec, in_shape: Shape, image_shape: Shape, same_padding: bool) -> tuple[int, int]:
    with torch.device("meta"):
        module = _convolutions_alone(block.build(in_shape[0], image_shape[0])).eval()
        inputs = [torch.empty(2, *in_shape)]
        if block.takes_image:
            inputs.append(torch.empty(2, *image_shape))
    if same_padding:
        set_same_padding(module)
    try:
        with torch.no_grad():
            shape = module(*inputs).shape
    except RuntimeError as error:
        raise SpecError(f"{block.kind} cannot run on {in_shape[1]}x{in_shape[2]} pixels: {first_line(error)}") from None
    return (shape[2], shape[3])


_sizes: dict[tuple[object, ...], tuple[int, int]] = {}


def output_shape(block: BlockSpec, in_shape: Shape, image_shape: Shape, same_padding: bool = False) -> Shape:
    """Return the (C, H, W) that `block` makes of `in_shape`; raises SpecError where it cannot run.

    The size of the map does not depend on the channels, only on whether the block keeps them: one run on the meta
    device serves every width.
    """
    chans, *size = in_shape
    block_weights(block, chans)
    image = image_shape if block.takes_image else None
    key = (block.kind, block.stride, block.options, chans == block.out_chans, *size, image, same_padding)
    if key not in _sizes:
        _sizes[key] = _output_size(block, in_shape, image_shape, same_padding)
    return (block.out_chans, *_sizes[key])
