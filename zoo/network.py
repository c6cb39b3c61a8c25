"""The module that an ArchSpec becomes."""

import contextlib

import torch
from torch import Tensor, nn

from zoo.blocks.layers import Conv2d, DropPath
from zoo.errors import SpecError
from zoo.spec import ArchSpec


class Network(nn.Module):
    """Blocks in a row and a head, with timm's manners. Made by `ArchSpec.build`.

    Attributes:
        spec: what it was built from.
        blocks: one module a BlockSpec, in order.
        head: pools and classifies.
        num_features: channels that the classifier sees.
    """

    def __init__(self, spec: ArchSpec, num_classes: int, in_chans: int) -> None:
        super().__init__()
        self.spec, self.num_classes, self.in_chans = spec, num_classes, in_chans
        modules, chans = [], in_chans
        for index, block in enumerate(spec.blocks):
            try:
                modules.append(block.build(chans))
            except SpecError as error:
                raise SpecError(f"blocks[{index}]: {error}") from None
            chans = block.out_chans
        self.blocks = nn.Sequential(*modules)
        self.head = spec.head.build(chans, num_classes)
        self.num_features: int = self.head.num_features

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, in_chans, H, W) -> the last feature map (N, C, h, w)."""
        return self.blocks(x)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """The last feature map -> (N, num_classes), or (N, num_features) with `pre_logits`."""
        return self.head(x, pre_logits=pre_logits)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(x))

    def get_classifier(self) -> nn.Module:
        """Return the last layer."""
        return self.head.classifier

    def reset_classifier(self, num_classes: int) -> None:
        """Replace the last layer by a new one for `num_classes`; 0 takes it away."""
        reference = next(self.parameters(), torch.empty(0))
        self.num_classes = num_classes
        self.head.reset(num_classes)
        initialize(self.head.classifier)
        self.head.classifier.to(reference.device, reference.dtype)


def set_same_padding(module: nn.Module) -> None:
    """Make every convolution in `module` pad as TensorFlow's 'SAME' does."""
    for layer in module.modules():
        if isinstance(layer, Conv2d) and layer.padding != (0, 0):
            layer.same_padding = True


def set_drop_path(network: Network, rate: float) -> None:
    """Set stochastic depth growing linearly with the block's place, up to `rate` in the last block."""
    last = max(len(network.blocks) - 1, 1)
    for index, block in enumerate(network.blocks):
        for layer in block.modules():
            if isinstance(layer, DropPath):
                layer.rate = rate * index / last


def initialize(module: nn.Module) -> None:
    """Fill `module` with fresh weights: He-normal by fan-out for convolutions, normal 0.01 for the classifier."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            # fan-out of one group, as the TensorFlow code of depthwise networks has it
            with torch.no_grad():
                layer.weight.mul_(layer.groups**0.5)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.01)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def build_network(
    spec: ArchSpec,
    num_classes: int,
    in_chans: int,
    *,
    drop_rate: float | None,
    drop_path_rate: float,
    seed: int | None,
) -> Network:
    """Return the network of `spec`; see `ArchSpec.build` for the arguments."""
    if num_classes < 0 or in_chans < 1:
        raise SpecError(f"num_classes must be >= 0 and in_chans >= 1, got {num_classes} and {in_chans}")
    for name, rate in (("drop_rate", drop_rate), ("drop_path_rate", drop_path_rate)):
        if rate is not None and not 0 <= rate < 1:
            raise SpecError(f"{name} must be at least 0 and less than 1, got {rate}")
    with torch.random.fork_rng(devices=[]) if seed is not None else contextlib.nullcontext():
        if seed is not None:
            torch.manual_seed(seed)
        network = Network(spec, num_classes, in_chans)
        initialize(network)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.eps, layer.momentum = spec.bn_eps, spec.bn_momentum
        elif isinstance(layer, nn.Dropout) and drop_rate is not None:
            layer.p = drop_rate
    if spec.padding == "same":
        set_same_padding(network)
    if drop_path_rate:
        set_drop_path(network, drop_path_rate)
    return network
