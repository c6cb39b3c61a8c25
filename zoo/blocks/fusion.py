"""Several linear branches as one convolution (structural re-parameterisation, RepVGG, arXiv:2101.03697)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_weights


def fold_norm(kernel: Tensor, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return (kernel, bias) of the convolution that does what `kernel` and then `norm`, in evaluation mode, do."""
    return fuse_conv_bn_weights(kernel, None, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias)


def identity_kernel(like: Tensor) -> Tensor:
    """Return the kernel, shaped as `like` (out, in / groups, h, w), of the convolution that returns its input."""
    out_chans, group_chans, height, width = like.shape
    kernel, chans = torch.zeros_like(like), torch.arange(out_chans)
    kernel[chans, chans % group_chans, height // 2, width // 2] = 1
    return kernel


def pad_kernel(kernel: Tensor, like: Tensor) -> Tensor:
    """Return `kernel` amid zeros, as high and wide as `like`; the sides of both must be odd."""
    top, left = ((wide - side) // 2 for wide, side in zip(like.shape[2:], kernel.shape[2:], strict=True))
    return F.pad(kernel, (left, left, top, top))


def fuse(branches: Sequence[tuple[Tensor, nn.BatchNorm2d]]) -> tuple[Tensor, Tensor]:
    """Return (kernel, bias) of the convolution that equals the sum of the branches, each a kernel and its norm.

    The first kernel is the largest; the others have its centre, stride and groups.
    """
    first = branches[0][0]
    folded = [fold_norm(pad_kernel(kernel, first), norm) for kernel, norm in branches]
    kernels, biases = zip(*folded, strict=True)
    return torch.stack(kernels).sum(0), torch.stack(biases).sum(0)


def deployed_state_of_parts(block: nn.Module) -> dict[str, Tensor]:
    """Return the state dict of `block` with the deployed state of every part that has one."""
    state = {}
    for name, part in block.named_children():
        deployed = getattr(part, "deployed_state", part.state_dict)
        state |= {f"{name}.{key}": value for key, value in deployed().items()}
    return state
