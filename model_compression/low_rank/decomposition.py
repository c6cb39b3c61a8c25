"""What all decompositions share: which layers they take, their ranks, and the small layers that replace one."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from model_compression.errors import FactorizationError
from zoo.blocks.layers import Conv2d as ZooConv2d
from zoo.registry import Registry

Layer = nn.Conv2d | nn.Linear
Ranks = tuple[int, ...]

_TYPES = (nn.Linear, nn.Conv2d, ZooConv2d)


class Decomposition(ABC):
    """One way to replace a layer by a chain of small ones that computes the same at full rank.

    Layers with groups and those of other types are refused; bias, stride, padding, dilation and padding mode are kept.

    Attributes:
        only_spatial: whether it takes convolutions larger than 1x1 alone.
    """

    only_spatial: ClassVar[bool] = False

    def take(self, layer: nn.Module) -> Layer:
        """Return `layer` if it can be decomposed so; raises FactorizationError that says why not."""
        if type(layer) not in _TYPES:
            raise FactorizationError(f"{type(layer).__name__} is neither a plain convolution nor a linear layer")
        if isinstance(layer, nn.Conv2d) and layer.groups > 1:
            raise FactorizationError(f"a convolution in {layer.groups} groups is small already: leave it out")
        if self.only_spatial and kernel_of(layer) == (1, 1):
            raise FactorizationError("a layer without a spatial kernel: use svd")
        return layer

    @abstractmethod
    def full_ranks(self, layer: Layer) -> Ranks:
        """Return the ranks at which nothing is lost."""

    def scaled(self, layer: Layer, share: float, multiple: int = 1) -> Ranks:
        """Return the ranks that are about `share` of the layer's channels, in multiples of `multiple`."""
        channels = self.channels(layer)
        return tuple(
            min(full, max(multiple, round(share * chans / multiple) * multiple))
            for chans, full in zip(channels, self.full_ranks(layer), strict=True)
        )

    def channels(self, layer: Layer) -> Ranks:
        """Return the number of channels to which a share of ranks refers: those of the output, by default."""
        return (layer.weight.shape[0],)

    def grid(self, layer: Layer, multiple: int) -> list[Ranks]:
        """Return rising ranks worth trying, in multiples of `multiple`."""
        channels = self.channels(layer)[0]
        steps = range(multiple, self.full_ranks(layer)[0] + 1, multiple)
        return list(dict.fromkeys(self.scaled(layer, step / channels, multiple) for step in steps))

    def check(self, layer: Layer, ranks: Ranks) -> None:
        """Raise FactorizationError for ranks that `layer` cannot have."""
        full = self.full_ranks(layer)
        if len(ranks) != len(full) or not all(1 <= rank <= most for rank, most in zip(ranks, full, strict=True)):
            raise FactorizationError(f"ranks {list(ranks)} are not {len(full)} number(s) from 1 to {list(full)}")

    @abstractmethod
    def structure(self, layer: Layer, ranks: Ranks) -> nn.Sequential:
        """Return the small layers with new weights."""

    @abstractmethod
    def fit(self, layer: Layer, ranks: Ranks, covariance: Tensor | None) -> dict[str, Tensor]:
        """Return the tensors of `structure` by name, fitted to `layer`; a bias stays the layer's unless it is there.

        `covariance` is what `input_covariances` gives, positive definite; without one all inputs count alike.
        """

    def small_layers(self, layer: nn.Module, ranks: Ranks) -> nn.Sequential:
        """Return the small layers with new weights, where and of the type that `layer` is."""
        taken = self.take(layer)
        self.check(taken, ranks)
        small = self.structure(taken, ranks).to(taken.weight.device, taken.weight.dtype)
        return small.train(taken.training)

    def decompose(self, layer: nn.Module, ranks: Ranks, covariance: Tensor | None = None) -> nn.Sequential:
        """Return the small layers that come nearest to `layer`, measured on its inputs where `covariance` is given."""
        small, taken = self.small_layers(layer, ranks), self.take(layer)
        if not torch.isfinite(taken.weight).all():
            raise FactorizationError("weights that are not finite")
        values = self.fit(taken, ranks, None if covariance is None else _regular(covariance, taken))
        state = small.state_dict()
        if taken.bias is not None:
            values.setdefault([name for name in state if name.endswith("bias")][-1], taken.bias.detach())
        with torch.no_grad():
            for name, value in values.items():
                state[name].copy_(value.reshape(state[name].shape))
        return small


DECOMPOSITIONS: Registry[type[Decomposition]] = Registry("decomposition", "model_compression.low_rank")


def kernel_of(layer: Layer) -> tuple[int, int]:
    """Return height and width of the kernel; a linear layer has one of 1x1."""
    return (layer.kernel_size[0], layer.kernel_size[1]) if isinstance(layer, nn.Conv2d) else (1, 1)


def weight_of(layer: Layer) -> Tensor:
    """Return a copy of the weight as (O, I, height, width) in double precision on the CPU."""
    return layer.weight.detach().to("cpu", torch.float64).reshape(*layer.weight.shape[:2], *kernel_of(layer))


def part(
    layer: Layer, in_chans: int, out_chans: int, *, axes: str = "", groups: int = 1, bias: bool = False
) -> nn.Module:
    """Return a new layer with the kernel, stride, padding and dilation of `layer` along `axes`: "", "h", "w" or "hw".

    The zeros around an image stay zeros in all layers but the last, as these have no bias.
    """
    if isinstance(layer, nn.Linear):
        return nn.Linear(in_chans, out_chans, bias)
    along = ["h" in axes, "w" in axes]
    kernel, stride, dilation = (
        tuple(value if here else 1 for value, here in zip(values, along, strict=True))
        for values in (layer.kernel_size, layer.stride, layer.dilation)
    )
    padding = layer.padding
    if not isinstance(padding, str):
        padding = tuple(value if here else 0 for value, here in zip(padding, along, strict=True))
    mode = layer.padding_mode if axes else "zeros"
    same = getattr(layer, "same_padding", False)
    made = (ZooConv2d if same else nn.Conv2d)(
        in_chans, out_chans, kernel, stride, padding, dilation, groups, bias, padding_mode=mode
    )
    if same:
        made.same_padding = True
        nn.Conv2d.reset_parameters(made)  # the zoo's leave it to the network
    return made


def _regular(covariance: Tensor, layer: Layer) -> Tensor:
    """Return the covariance with a little added that makes every direction count: few images do not fill the space."""
    inputs = layer.weight[0].numel()
    if covariance.shape != (inputs, inputs):
        raise FactorizationError(f"a covariance of {tuple(covariance.shape)}, where the layer has {inputs} inputs")
    covariance = covariance.detach().to("cpu", torch.float64)
    mean = covariance.diagonal().mean()
    if not torch.isfinite(covariance).all() or mean < 0:
        raise FactorizationError("a covariance that is not finite and positive")
    return covariance + (1e-4 * mean if mean else 1.0) * torch.eye(inputs, dtype=torch.float64)
