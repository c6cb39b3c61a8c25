"""Pooling between blocks."""

from typing import Annotated

from pydantic import Field
from torch import nn

from zoo.blocks import BLOCKS
from zoo.blocks.layers import Kernel, require

Padding = Annotated[int, Field(ge=0, le=15)]


def _check(in_chans: int, out_chans: int, kernel: int, padding: int) -> None:
    require(in_chans == out_chans, f"pooling keeps the channels: {in_chans} in, {out_chans} out")
    require(padding <= kernel // 2, f"padding ({padding}) is more than half of the kernel ({kernel})")


@BLOCKS.register("max_pool")
class MaxPool(nn.MaxPool2d):
    """Max pooling; `ceil_mode` keeps a last partial window, as Caffe does."""

    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        *,
        stride: int = 2,
        kernel: Kernel = 3,
        padding: Padding = 1,
        ceil_mode: bool = False,
    ) -> None:
        _check(in_chans, out_chans, kernel, padding)
        super().__init__(kernel, stride, padding, ceil_mode=ceil_mode)


@BLOCKS.register("avg_pool")
class AvgPool(nn.AvgPool2d):
    """Average pooling; the zeros of the padding count, `ceil_mode` keeps a last partial window."""

    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        *,
        stride: int = 2,
        kernel: Kernel = 3,
        padding: Padding = 1,
        ceil_mode: bool = False,
    ) -> None:
        _check(in_chans, out_chans, kernel, padding)
        super().__init__(kernel, stride, padding, ceil_mode=ceil_mode)
