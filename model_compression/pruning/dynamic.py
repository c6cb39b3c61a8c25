"""Global and dynamic pruning: masks over all filters that are thought over while the network learns."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from model_compression.methods import method
from model_compression.pruning.allocation import global_ranking, least_important
from model_compression.pruning.channels import ChannelGroup, Pruned, Shape, channel_groups, prune_channels
from model_compression.pruning.importance.taylor import saliency
from model_compression.pruning.masking import ones_but, scale_readers
from zoo.data.splits import Splits
from zoo.training.loop import TrainConfig, train

_MEMORY = 0.9  # of the running mean of saliencies


class DynamicMasks:
    """Masks of the channels of least saliency |sum of w dL/dw|, over all groups; `close()` opens all of them.

    A masked channel is not read, but gradients pass as if it were: its filter goes on learning, and a later `update`
    may bring it back.
    """

    def __init__(self, network: nn.Module, groups: Sequence[ChannelGroup], *, share: float, align: int = 1) -> None:
        self.groups, self.share, self.align = tuple(groups), share, align
        self.removed: dict[str, list[int]] = {}
        self.masks = ones_but(self.groups, {})
        self._saliency: dict[str, Tensor] | None = None
        makers = {part.layer for group in groups for part in group.slices if part.side != "in"}
        layers = {name: network.get_submodule(name) for name in makers}
        self._weights = {name: m.weight for name, m in layers.items() if isinstance(m, (_ConvNd, nn.Linear))}
        self._handles = scale_readers(network, self.groups, self.masks.__getitem__, straight_through=True)

    def observe(self) -> None:
        """Take the gradients that the weights hold now into the running mean of saliencies."""
        products = {name: w.detach() * w.grad for name, w in self._weights.items() if w.grad is not None}
        if len(products) < len(self._weights):
            return
        now = saliency(self.groups, products)
        old = self._saliency or now
        self._saliency = {name: _MEMORY * old[name] + (1 - _MEMORY) * score for name, score in now.items()}

    def update(self) -> None:
        """Mask the least salient channels, and open all others."""
        if self._saliency is not None:
            kept = global_ranking(self.groups, self._saliency, self.share, align=self.align, relative=False)
            self.removed = least_important(self.groups, self._saliency, kept)
            self.masks.update(ones_but(self.groups, self.removed))

    def close(self) -> None:
        """Take the masks away."""
        for handle in self._handles:
            handle.remove()


@method(
    "global-dynamic-pruning",
    "pruning",
    paper="Lin et al., Accelerating Convolutional Networks via Global & Dynamic Filter Pruning, IJCAI 2018",
)
def global_dynamic_pruning(
    network: nn.Module,
    data: Splits,
    config: TrainConfig,
    *,
    share: float,
    shape: Shape,
    groups: Sequence[ChannelGroup] | None = None,
    every: int = 10,
    fixed_share: float = 0.25,
    align: int = 1,
    on_update: Callable[[DynamicMasks], None] | None = None,
) -> Pruned:
    """Train `network` in place under global masks recomputed as it learns, then remove what is masked at the end.

    Args:
        share: of all channels that go.
        every: steps between two updates of the masks.
        fixed_share: the last part of the training, in which the masks stay as they are and the rest adapts.

    Train the result once more afterwards.
    """
    groups = channel_groups(network, shape) if groups is None else groups
    masks, step = DynamicMasks(network, groups, share=share, align=align), 0
    last = (1 - fixed_share) * config.epochs * -(-len(data.train) // config.batch_size)

    def on_step() -> None:
        nonlocal step
        masks.observe()
        if step and step <= last and step % every == 0:
            masks.update()
            if on_update:
                on_update(masks)
        step += 1

    try:
        train(network, data, config, resolution=shape[-1], on_step=on_step)
        if not masks.removed:  # a training shorter than `every`
            masks.update()
    finally:
        masks.close()
    return Pruned(prune_channels(network, masks.removed, shape, groups=groups), masks.removed)
