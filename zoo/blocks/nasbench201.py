"""The cell of NAS-Bench-201 and the residual block between its stages (Dong and Yang, arXiv:2001.00326)."""

from functools import reduce
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.blocks import BLOCKS
from zoo.blocks.layers import conv2d, require

Operation = Literal["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]
Operations = tuple[Operation, Operation, Operation, Operation, Operation, Operation]

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))  # from node, to node
BEST: Operations = (  # the most accurate cell on CIFAR-10
    "nor_conv_3x3", "nor_conv_3x3", "nor_conv_3x3", "skip_connect", "nor_conv_3x3", "nor_conv_3x3",
)  # fmt: skip


@BLOCKS.register("nasbench201")
class NasBench201Cell(nn.Module):
    """Four nodes, the input first and the output last; each is the sum of operations on all nodes before it.

    Where the shape changes, the operations on the input change it, as in the authors' code: a skip becomes a
    factorised reduction, and a pool gets a convolution before it. At stride 1 with equal channels it is the paper's
    cell.

    Args:
        operations: from node 0 to 1, 0 to 2, 1 to 2, 0 to 3, 1 to 3 and 2 to 3.
    """

    def __init__(self, in_chans: int, out_chans: int, *, stride: int = 1, operations: Operations = BEST) -> None:
        super().__init__()
        require(stride <= 2, f"stride must be 1 or 2, got {stride}")
        self.edges = nn.ModuleList(
            _operation(name, in_chans, out_chans, stride) if source == 0 else _operation(name, out_chans, out_chans, 1)
            for name, (source, _) in zip(operations, EDGES, strict=True)
        )
        self.incoming = []  # of each node but the first: the edges whose sum it is
        for node in (1, 2, 3):
            edges = [index for index, (_, target) in enumerate(EDGES) if target == node]
            self.incoming.append([index for index in edges if operations[index] != "none"] or edges[:1])

    def forward(self, x: Tensor) -> Tensor:
        nodes = [x]
        for edges in self.incoming:
            nodes.append(reduce(torch.add, [self.edges[index](nodes[EDGES[index][0]]) for index in edges]))
        return nodes[-1]


@BLOCKS.register("nasbench201_residual")
class NasBench201Residual(nn.Module):
    """Two 3x3 convolutions, the ReLU before each; added to the input or to a 1x1 convolution of its average pool."""

    def __init__(self, in_chans: int, out_chans: int, *, stride: int = 1) -> None:
        super().__init__()
        require(stride <= 2, f"stride must be 1 or 2, got {stride}")
        self.conv_a = _relu_conv_norm(in_chans, out_chans, 3, stride)
        self.conv_b = _relu_conv_norm(out_chans, out_chans, 3)
        if stride == 2:
            # odd sizes are rounded up, as the convolutions do
            self.shortcut = nn.Sequential(nn.AvgPool2d(2, ceil_mode=True), conv2d(in_chans, out_chans))
        elif in_chans != out_chans:
            self.shortcut = _relu_conv_norm(in_chans, out_chans, 1)
        else:
            self.shortcut = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.conv_b(self.conv_a(x))


def _operation(name: str, in_chans: int, out_chans: int, stride: int) -> nn.Module:
    if name == "none":
        return _Zero(out_chans, stride)
    if name == "avg_pool_3x3":
        pool = nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)
        return pool if in_chans == out_chans else nn.Sequential(_relu_conv_norm(in_chans, out_chans, 1), pool)
    if name != "skip_connect":
        return _relu_conv_norm(in_chans, out_chans, 3 if name == "nor_conv_3x3" else 1, stride)
    if stride == 2:
        return _FactorizedReduction(in_chans, out_chans)
    if in_chans == out_chans:
        return nn.Identity()
    return nn.Sequential(conv2d(in_chans, out_chans), nn.BatchNorm2d(out_chans))


def _relu_conv_norm(in_chans: int, out_chans: int, kernel: int, stride: int = 1) -> nn.Sequential:
    # not in place: several edges see the same node
    return nn.Sequential(nn.ReLU(), conv2d(in_chans, out_chans, kernel, stride=stride), nn.BatchNorm2d(out_chans))


class _Zero(nn.Module):
    def __init__(self, out_chans: int, stride: int) -> None:
        super().__init__()
        self.out_chans, self.stride = out_chans, stride

    def forward(self, x: Tensor) -> Tensor:
        # a product, not zeros_like: a network of nothing else would be exported without an input
        return (x[:, :1, :: self.stride, :: self.stride] * 0.0).expand(-1, self.out_chans, -1, -1)


class _FactorizedReduction(nn.Module):
    """Two 1x1 convolutions of stride 2, one of them a pixel further on, side by side."""

    def __init__(self, in_chans: int, out_chans: int) -> None:
        super().__init__()
        require(out_chans > 1, "a skip of stride 2 needs two output channels")
        self.first = conv2d(in_chans, out_chans // 2, stride=2)
        self.second = conv2d(in_chans, out_chans - out_chans // 2, stride=2)
        self.norm = nn.BatchNorm2d(out_chans)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(x)
        shifted = F.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]
        return self.norm(torch.cat((self.first(x), self.second(shifted)), 1))
