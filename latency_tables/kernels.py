"""The kernels of a network, found by running it on the meta device: shapes only, nothing is computed.

A kernel is one convolution or linear layer together with the normalisation and activation after it, or one other
operation that moves or combines feature maps. Whether a runtime really fuses the activation shows in the measured
time of the kernel, which is the time of all the nodes that the runtime runs for it.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from zoo import ArchSpec, BlockSpec, HeadSpec
from zoo.blocks.layers import set_same_padding
from zoo.features import feature_points

Shape = tuple[int, int, int]

_ACTIVATIONS = {
    "relu": "relu", "relu_": "relu", "hardtanh": "relu6", "hardtanh_": "relu6", "hardswish": "hard_swish",
    "hardswish_": "hard_swish", "silu": "silu", "silu_": "silu", "gelu": "gelu", "sigmoid": "sigmoid",
    "hardsigmoid": "hard_sigmoid", "_prelu_kernel": "prelu",
}  # fmt: skip
_OTHERS = {
    "add": "add", "add_": "add", "mul": "mul", "mul_": "mul", "cat": "concat", "mean": "mean",
    "avg_pool2d": "pool", "max_pool2d_with_indices": "pool", "clone": "copy", "constant_pad_nd": "pad",
}  # fmt: skip
_CONVOLUTIONS = ("conv", "dynamic_conv")
_FREE = {
    "view", "_unsafe_view", "transpose", "t", "permute", "split", "split_with_sizes", "slice", "expand", "detach",
    "unsqueeze", "squeeze", "select", "alias", "empty",
}  # fmt: skip


@dataclass(frozen=True)
class Kernel:
    """One operation with its shapes (C, H, W); a linear layer is a 1x1 convolution of one pixel.

    Attributes:
        op: "conv", "linear", "dynamic_conv" whose weights the network computes, or what else is done ("add", ...).
        sides: height and width of the convolution's window; 1 for the other operations.
        act: activation fused into a convolution, "none" without.
    """

    op: str
    in_shape: Shape
    out_shape: Shape
    sides: tuple[int, int] = (1, 1)
    stride: int = 1
    groups: int = 1
    act: str = "none"

    @property
    def key(self) -> str:
        """The kernel as text, unique for its fields: `conv 16x32x32>64x32x32 k1 s1 g1 relu`."""
        arrow = ">".join("x".join(map(str, shape)) for shape in (self.in_shape, self.out_shape))
        if self.op not in _CONVOLUTIONS:
            return f"{self.op} {arrow}"
        height, width = self.sides
        window = f"k{height}" if height == width else f"k{height}x{width}"
        return f"{self.op} {arrow} {window} s{self.stride} g{self.groups} {self.act}"

    @property
    def has_weights(self) -> bool:
        """Whether it is a convolution or a linear layer with weights that were learned."""
        return self.op in ("conv", "linear")

    @property
    def out_elements(self) -> int:
        """Values that the kernel writes."""
        c, h, w = self.out_shape
        return c * h * w

    @property
    def in_elements(self) -> int:
        """Values that the kernel reads besides its weights."""
        c, h, w = self.in_shape
        return c * h * w

    @property
    def weights(self) -> int:
        """Weights of a convolution or linear layer, learned or computed; 0 for the others."""
        if self.op not in ("linear", *_CONVOLUTIONS):
            return 0
        return self.out_shape[0] * self.in_shape[0] // self.groups * self.sides[0] * self.sides[1]

    @property
    def macs(self) -> int:
        """Multiply-adds."""
        return self.weights * self.out_shape[1] * self.out_shape[2]


def _chw(tensor: Tensor) -> Shape:
    shape = tuple(tensor.shape[1:])
    return (shape + (1, 1, 1))[:3] if len(shape) <= 3 else (shape[0] * shape[1], shape[2], shape[3])


class _Recorder(TorchDispatchMode):
    """Collects the kernels of what runs inside it, and the module that `current` names beside each."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels: list[Kernel] = []
        self.modules: list[str] = []
        self.current = ""
        self._open_conv: dict[int, int] = {}  # id of a tensor -> index of the convolution it comes straight from
        self._keep: list[Any] = []  # an id is only unique while its tensor lives
        self._computed: set[int] = set()  # ids of tensors that depend on the image

    def feed(self, image: Tensor) -> None:
        """Tell the recorder of an input."""
        self._keep.append(image)
        self._computed.add(id(image))

    def _add(self, kernel: Kernel) -> None:
        self.kernels.append(kernel)
        self.modules.append(self.current)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        first = out[0] if isinstance(out, (tuple, list)) else out
        self._keep.append((args, out))
        if any(id(leaf) in self._computed for leaf in tree_leaves((args, kwargs))):
            self._computed.update(map(id, tree_leaves(out)))
        name = func.overloadpacket.__name__
        source = args[0][0] if isinstance(args[0], (list, tuple)) else args[0]
        if name == "convolution" and not args[6]:  # a transposed one counts among the other operations
            weight, stride, groups = args[1], args[3], args[8]
            sides = tuple((1, *weight.shape[2:])[-2:])  # a 1-D convolution has a window of one line
            dynamic = id(weight) in self._computed
            if not dynamic:
                self._open_conv[id(first)] = len(self.kernels)
            op = "dynamic_conv" if dynamic else "conv"
            self._add(Kernel(op, _chw(source), _chw(first), sides, stride[-1], groups))
        elif name in ("addmm", "mm"):
            source = args[1] if name == "addmm" else args[0]
            self._add(Kernel("linear", _chw(source), _chw(first)))
        elif name in _ACTIVATIONS:
            self._activation(_ACTIVATIONS[name], source, first)
        elif name not in _FREE:
            self._add(Kernel(_OTHERS.get(name, name), _chw(source), _chw(first)))
        return out

    def norm(self, x: Tensor) -> None:
        """Note a normalisation of `x`: it costs nothing where a convolution can absorb it."""
        if id(x) not in self._open_conv:
            self._add(Kernel("norm", _chw(x), _chw(x)))

    def _activation(self, act: str, source: Tensor, out: Tensor) -> None:
        index = self._open_conv.pop(id(source), None)
        if index is None:
            self._add(Kernel(act, _chw(source), _chw(out)))
            return
        conv = self.kernels[index]
        self.kernels[index] = Kernel("conv", conv.in_shape, conv.out_shape, conv.sides, conv.stride, conv.groups, act)


@dataclass(frozen=True)
class Placed:
    """A kernel and the module that runs it, by its path in the network (`blocks.3.expand.conv`)."""

    module: str
    kernel: Kernel


class _Norm(nn.Module):
    """Stands in for a normalisation: its arithmetic on the meta device takes longer than all else together."""

    def __init__(self, recorder: _Recorder) -> None:
        super().__init__()
        self._recorder = recorder

    def forward(self, x: Tensor) -> Tensor:
        self._recorder.norm(x)
        return x


def trace_module(module: nn.Module, *shapes: Shape, as_list: bool = False) -> tuple[Placed, ...]:
    """Return the kernels of `module` in order of execution for one input of each of `shapes`, or of their list.

    The module is not good for anything else afterwards: on the meta device, without its normalisations.
    """
    module.to("meta").eval()
    recorder = _Recorder()
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(parent, name, _Norm(recorder))

    def enter(name: str) -> Any:
        def hook(*_: Any) -> None:
            recorder.current = name

        return hook

    for name, layer in module.named_modules():
        layer.register_forward_pre_hook(enter(name))
    with torch.no_grad(), recorder:
        inputs = [torch.empty(1, *shape, device="meta") for shape in shapes]
        for image in inputs:
            recorder.feed(image)
        module(inputs) if as_list else module(*inputs)
    return tuple(Placed(name, kernel) for name, kernel in zip(recorder.modules, recorder.kernels, strict=True))


@lru_cache(maxsize=65536)
def block_kernels(
    block: BlockSpec, in_shape: Shape, same_padding: bool = False, image_shape: Shape | None = None
) -> tuple[Placed, ...]:
    """Return the kernels of one block for an input of `in_shape`; paths start inside the block.

    `image_shape` is what a block that also sees the image is given.
    """
    image = (image_shape,) if block.takes_image and image_shape else ()
    module = block.build(in_shape[0], *(shape[0] for shape in image))
    if same_padding:
        set_same_padding(module)
    return trace_module(module, in_shape, *image)


@lru_cache(maxsize=4096)
def head_kernels(head: HeadSpec, in_shape: Shape, maps: tuple[Shape, ...], num_classes: int) -> tuple[Placed, ...]:
    """Return the kernels of a head for the last feature map, or for all of `maps` where it takes them."""
    module = head.build(in_shape[0], num_classes, [chans for chans, *_ in maps])
    inputs = maps if head.takes_features else (in_shape,)
    return trace_module(module, *inputs, as_list=head.takes_features)


@dataclass(frozen=True)
class Part:
    """A block or the head of a network with its input: what one look-up of its latency needs.

    Attributes:
        image_shape: of the image, for a block that sees it; `maps` the feature maps, for a head that takes them.
    """

    spec: BlockSpec | HeadSpec
    in_shape: Shape
    same_padding: bool = False
    image_shape: Shape | None = None
    maps: tuple[Shape, ...] = ()
    num_classes: int = 0

    @property
    def kernels(self) -> tuple[Placed, ...]:
        """Its kernels in order; paths start inside the part."""
        if isinstance(self.spec, HeadSpec):
            return head_kernels(self.spec, self.in_shape, self.maps, self.num_classes)
        return block_kernels(self.spec, self.in_shape, self.same_padding, self.image_shape)


def spec_parts(spec: ArchSpec, num_classes: int = 10, in_chans: int = 3) -> list[Part]:
    """Return the parts of a network, in the form that is shipped, at its own resolution; the head last."""
    spec = spec.deployed()
    image: Shape = (in_chans, spec.resolution, spec.resolution)
    shape, parts = image, list[Part]()
    for block, out_shape in zip(spec.blocks, spec.shapes, strict=True):
        parts.append(Part(block, shape, spec.padding == "same", image if block.takes_image else None))
        shape = out_shape
    maps = tuple(spec.shapes[point.index] for point in feature_points(spec)) if spec.head.takes_features else ()
    parts.append(Part(spec.head, shape, maps=maps, num_classes=num_classes))
    return parts


def spec_kernels(spec: ArchSpec, num_classes: int = 10, in_chans: int = 3) -> tuple[Placed, ...]:
    """Return the kernels of a network, in the form that is shipped, at its own resolution; the head last."""
    *blocks, head = spec_parts(spec, num_classes, in_chans)
    placed = [
        Placed(f"blocks.{index}.{p.module}".rstrip("."), p.kernel)
        for index, part in enumerate(blocks)
        for p in part.kernels
    ]
    return (*placed, *(Placed(f"head.{p.module}".rstrip("."), p.kernel) for p in head.kernels))
