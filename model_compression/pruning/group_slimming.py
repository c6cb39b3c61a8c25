"""Sparse scales that are pushed harder where they are large, one threshold a stage, and tuning by attention."""

import copy
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model_compression.distillation.features.attention import attention
from model_compression.distillation.layers import Tap, find_layers
from model_compression.methods import method
from model_compression.pruning.allocation import Kept, least_important, nearest_width
from model_compression.pruning.channels import ChannelGroup, Pruned, Shape, channel_groups, prune_channels
from model_compression.pruning.importance.bn_scale import bn_scale
from model_compression.pruning.slimming import scales
from zoo.data.splits import Splits
from zoo.training.loop import TrainConfig, train
from zoo.training.preprocessing import resize


@method(
    "group-channel-pruning",
    "combined",
    paper="Chu et al., Group channel pruning and spatial attention distilling, 2023",
)
def group_channel_pruning(
    network: nn.Module,
    data: Splits,
    config: TrainConfig,
    *,
    share: float,
    shape: Shape,
    fine_tune: TrainConfig,
    strength: float = 1e-3,
    attention_weight: float = 1.0,
    groups: Sequence[ChannelGroup] | None = None,
    align: int = 1,
) -> Pruned:
    """Sparse training with a factor that changes by layer and step, a threshold a stage, then attention distilling.

    The network before pruning, as trained sparsely, is the teacher; the maps of its stages are compared by where their
    squared activations are large. `network` itself is left as it is.

    Args:
        share: of all channels that go.
        strength: of the penalty on the scales at the end of the training, of a layer whose scales are average.
    """
    teacher = copy.deepcopy(network)
    groups = tuple(channel_groups(network, shape) if groups is None else groups)
    sparse_training(teacher, data, config, groups, strength=strength, resolution=shape[-1])
    stages = stages_of(teacher, groups, shape)
    scores = bn_scale(teacher, groups)
    removed = least_important(groups, scores, stage_thresholds(groups, scores, stages, share, align=align))
    student = prune_channels(teacher, removed, shape, groups=groups)
    distil_attention(student, teacher, data, fine_tune, resolution=shape[-1], weight=attention_weight)
    return Pruned(student, removed)


def sparse_training(
    network: nn.Module,
    data: Splits,
    config: TrainConfig,
    groups: Sequence[ChannelGroup],
    *,
    strength: float,
    resolution: int,
) -> None:
    """Train in place; each layer's penalty grows from zero with the steps, and with its mean scale against all."""
    gammas, step = scales(network, groups), 0
    steps = config.epochs * -(-len(data.train) // config.batch_size)

    def loss(scores: Tensor, labels: Tensor, images: Tensor) -> Tensor:
        nonlocal step
        step += 1
        factors = sparsity_factors(gammas, strength * min(1.0, step / steps))
        return F.cross_entropy(scores, labels) + sum(f * g.abs().sum() for f, g in zip(factors, gammas, strict=True))

    train(network, data, config, resolution=resolution, loss=loss)


def sparsity_factors(gammas: Sequence[Tensor], strength: float) -> list[float]:
    """Return the factor of each layer's penalty: `strength` times its mean scale over the mean of all layers."""
    means = [float(gamma.detach().abs().mean()) for gamma in gammas]
    average = sum(means) / max(len(means), 1)
    return [strength * mean / max(average, 1e-12) for mean in means]


def stages_of(network: nn.Module, groups: Sequence[ChannelGroup], shape: Shape) -> dict[str, tuple[int, str]]:
    """Return for each group its stage: the pixels of its maps and the kind of layer that makes them."""
    sizes: dict[str, int] = {}

    def note(name: str) -> Callable[..., None]:
        return lambda module, inputs, output: sizes.update({name: output[0, 0].numel()})

    handles = [network.get_submodule(g.name).register_forward_hook(note(g.name)) for g in groups]
    training = network.training
    try:
        with torch.no_grad():
            network.eval()(torch.zeros(1, *shape[1:], device=next(network.parameters()).device))
    finally:
        for handle in handles:
            handle.remove()
        network.train(training)
    return {g.name: (sizes[g.name], _kind(network.get_submodule(g.name))) for g in groups}


def stage_thresholds(
    groups: Sequence[ChannelGroup],
    scores: dict[str, Tensor],
    stages: dict[str, tuple[int, str]],
    share: float,
    *,
    align: int = 1,
) -> Kept:
    """Return the counts over one threshold a stage, the same multiple of the stage's root mean square scale.

    The multiple is the one at which `share` of all channels is below; one block of each group stays.
    """
    judged = [group for group in groups if group.name in scores]
    members: dict[tuple[int, str], list[Tensor]] = {}
    for group in judged:
        members.setdefault(stages[group.name], []).append(scores[group.name])
    scale = {stage: float(torch.cat(parts).square().mean().sqrt()) for stage, parts in members.items()}
    relative = {g.name: scores[g.name] / max(scale[stages[g.name]], 1e-12) for g in judged}
    if not relative:
        return {}
    everything = torch.cat(list(relative.values())).sort().values
    count = min(round(share * len(everything)), len(everything) - 1)
    threshold = float(everything[count])
    kept = {g.name: int((relative[g.name] >= threshold).sum()) for g in judged}
    return {g.name: nearest_width(g, kept[g.name], align=align) for g in judged}


def distil_attention(
    student: nn.Module, teacher: nn.Module, data: Splits, config: TrainConfig, *, resolution: int, weight: float = 1.0
) -> None:
    """Train `student` in place on labels and on the attention maps of its teacher's stages."""
    image = (data.in_chans, resolution, resolution)
    layers = find_layers(teacher, image)
    taps = Tap(student, layers, owner="student"), Tap(teacher, layers, owner="teacher")
    teacher.eval()

    def loss(scores: Tensor, labels: Tensor, images: Tensor) -> Tensor:
        with torch.no_grad():
            teacher(resize(images, resolution))
        own, theirs = (tap.features().maps for tap in taps)
        return F.cross_entropy(scores, labels) + weight * spatial_attention_loss(own, theirs)

    try:
        train(student, data, config, resolution=resolution, loss=loss)
    finally:
        for tap in taps:
            tap.close()


def spatial_attention_loss(student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
    """Sum over stages of the squared distance of attention maps, the mean over images; channels may differ."""
    pairs = zip(student, teacher, strict=True)
    return sum(((attention(s) - attention(t.detach())).square().sum(1).mean() for s, t in pairs), torch.zeros(()))


def _kind(layer: nn.Module) -> str:
    kernel = getattr(layer, "kernel_size", (1,))
    return f"{type(layer).__name__} {'x'.join(map(str, kernel))}"
