"""The module that an ArchSpec becomes."""

import contextlib
from collections.abc import Collection

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from zoo.blocks.layers import DropPath, set_same_padding
from zoo.errors import SpecError
from zoo.features import feature_points
from zoo.initialization import initialize
from zoo.spec import ArchSpec


class Network(nn.Module):
    """Blocks in a row and a head, with timm's manners. Made by `ArchSpec.build`.

    Attributes:
        spec: what it was built from.
        blocks: one module a BlockSpec, in order.
        head: pools and classifies.
        num_features: channels that the classifier sees.
        feature_points: where `forward_intermediates` takes its maps.
    """

    def __init__(self, spec: ArchSpec, num_classes: int, in_chans: int) -> None:
        super().__init__()
        self.spec, self.num_classes, self.in_chans = spec, num_classes, in_chans
        self.blocks = nn.ModuleList()
        chans = in_chans
        for index, block in enumerate(spec.blocks):
            try:
                self.blocks.append(block.build(chans, in_chans))
            except SpecError as error:
                raise SpecError(f"blocks[{index}]: {error}") from None
            chans = block.out_chans
        self.feature_points = feature_points(spec)
        self.head = spec.head.build(chans, num_classes, [point.chans for point in self.feature_points])
        self.num_features: int = self.head.num_features
        self._takes_image = [block.takes_image for block in spec.blocks]
        self._grad_checkpointing = False
        _set_norms(self, spec)
        if spec.padding == "same":
            set_same_padding(self)

    def run_blocks(self, x: Tensor, taps: Collection[int] = ()) -> tuple[Tensor, list[Tensor]]:
        """(N, in_chans, H, W) -> the last feature map, and those after the blocks whose numbers are in `taps`."""
        image, taken = x, []
        for index, block in enumerate(self.blocks):
            inputs = (x, image) if self._takes_image[index] else (x,)
            if self._grad_checkpointing and self.training:
                x = checkpoint(block, *inputs, use_reentrant=False)
            else:
                x = block(*inputs)
            if index in taps:
                taken.append(x)
        return x, taken

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, in_chans, H, W) -> the last feature map (N, C, h, w)."""
        return self.run_blocks(x)[0]

    def forward_intermediates(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(N, in_chans, H, W) -> the last feature map, and the last one of every resolution."""
        return self.run_blocks(x, {point.index for point in self.feature_points})

    def forward_head(self, x: Tensor | list[Tensor], pre_logits: bool = False) -> Tensor:
        """The last feature map -> (N, num_classes), or (N, num_features) with `pre_logits`.

        A head that `takes_features` wants the list of `forward_intermediates`.
        """
        return self.head(x, pre_logits=pre_logits)

    def forward(self, x: Tensor) -> Tensor:
        if self.spec.head.takes_features:
            return self.head(self.forward_intermediates(x)[1])
        return self.head(self.forward_features(x))

    def get_classifier(self) -> nn.Module:
        """Return the last layer."""
        return self.head.classifier

    def reset_classifier(self, num_classes: int) -> None:
        """Replace the last layer by a new one for `num_classes`; 0 takes it away."""
        reference = next(self.parameters(), torch.empty(0))
        self.num_classes = num_classes
        self.head.reset(num_classes)
        initialize(self.head.classifier, self.spec.init)
        _set_norms(self.head.classifier, self.spec)
        self.head.classifier.to(reference.device, reference.dtype)

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Trade time for memory in training: recompute each block in the backward pass."""
        self._grad_checkpointing = enable


def set_drop_path(network: Network, rate: float) -> None:
    """Set stochastic depth growing linearly with the block's place, up to `rate` in the last block."""
    last = max(len(network.blocks) - 1, 1)
    for index, block in enumerate(network.blocks):
        for layer in block.modules():
            if isinstance(layer, DropPath):
                layer.rate = rate * index / last


def _set_norms(module: nn.Module, spec: ArchSpec) -> None:
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.eps, layer.momentum = spec.bn_eps, spec.bn_momentum


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
        initialize(network, spec.init)
    for layer in network.modules():
        if isinstance(layer, nn.Dropout) and drop_rate is not None:
            layer.p = drop_rate
    if drop_path_rate:
        set_drop_path(network, drop_path_rate)
    return network


def deploy(network: Network) -> Network:
    """Return the network in the form that is shipped, with the same outputs in evaluation mode; the input is kept.

    Branches are fused and learned groups made real where a block has such a form; others are copied as they are.
    """
    spec = network.spec.deployed()
    with torch.device("meta"):
        shipped = Network(spec, network.num_classes, network.in_chans)
    reference = next(network.parameters())
    shipped.to(reference.dtype).to_empty(device=reference.device)
    for source, target in zip((*network.blocks, network.head), (*shipped.blocks, shipped.head), strict=True):
        fused = getattr(source, "deployed_state", None)
        target.load_state_dict(fused() if fused else source.state_dict())
    return shipped.eval()
