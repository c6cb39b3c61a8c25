"""How many channels each group keeps, and which."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from model_compression.errors import PruningError
from model_compression.pruning.channels import ChannelGroup, Shape, prune_channels

Kept = dict[str, int]


def widths(group: ChannelGroup, *, align: int = 1) -> tuple[int, ...]:
    """Return the counts that `group` can keep: whole blocks, multiples of `align`, and all channels; ascending."""
    if align < 1:
        raise PruningError(f"channels can be aligned to 1 or more, got {align}")
    counts = range(group.multiple, group.size, group.multiple)
    return (*(count for count in counts if count % align == 0), group.size)


def nearest_width(group: ChannelGroup, count: float, *, align: int = 1) -> int:
    """Return the width of `group` nearest to `count`, the wider of two."""
    return min(reversed(widths(group, align=align)), key=lambda width: abs(width - count))


def least_important(groups: Sequence[ChannelGroup], scores: Mapping[str, Tensor], kept: Kept) -> dict[str, list[int]]:
    """Return the channels to remove so that each group keeps so many; groups not in `kept` or `scores` stay whole."""
    removed = {
        group.name: group.lowest(scores[group.name], group.size - kept[group.name])
        for group in groups
        if group.name in kept and group.name in scores
    }
    return {name: channels for name, channels in removed.items() if channels}


def uniform(groups: Sequence[ChannelGroup], share: float, *, align: int = 1) -> Kept:
    """Return the counts that remove the same `share` (0..1) of every group."""
    _check_share(share)
    return {group.name: nearest_width(group, group.size * (1 - share), align=align) for group in groups}


def global_ranking(
    groups: Sequence[ChannelGroup],
    scores: Mapping[str, Tensor],
    share: float,
    *,
    align: int = 1,
    least: float = 0.1,
    relative: bool = True,
) -> Kept:
    """Return the counts when the lowest `share` of all blocks of channels goes, wherever they lie.

    Args:
        scores: groups that are missing stay whole.
        least: share of each group that stays whatever its scores.
        relative: scores are taken in units of their group's mean; False where they are comparable as they are.
    """
    _check_share(share)
    judged = [group for group in groups if group.name in scores]
    blocks = []
    for number, group in enumerate(judged):
        score = scores[group.name].double()
        if relative:
            score = score / score.mean().clamp(min=1e-12)
        blocks += [(float(score[list(block)].mean()), number, len(block)) for block in group.blocks]
    left = round(share * sum(size for _, _, size in blocks))
    kept = [group.size for group in judged]
    for _, number, size in sorted(blocks):
        floor = max(size, least * judged[number].size)
        if size <= left and kept[number] - size >= floor:
            kept[number] -= size
            left -= size
    return {group.name: nearest_width(group, count, align=align) for group, count in zip(judged, kept, strict=True)}


def sensitivity_curves(
    network: nn.Module,
    groups: Sequence[ChannelGroup],
    scores: Mapping[str, Tensor],
    evaluate: Callable[[nn.Module], float],
    *,
    shape: Shape,
    shares: Sequence[float] = (0.1, 0.3, 0.5, 0.7, 0.9),
    align: int = 1,
) -> dict[str, dict[int, float]]:
    """Return for each group what `evaluate` gives by kept channels, that group alone pruned (arXiv:1608.08710)."""
    whole = evaluate(network)
    curves = {}
    for group in groups:
        curves[group.name] = {group.size: whole}
        for share in shares:
            kept = uniform([group], share, align=align)
            if kept[group.name] not in curves[group.name]:
                removed = least_important([group], scores, kept)
                curves[group.name][kept[group.name]] = evaluate(prune_channels(network, removed, shape, groups=groups))
    return curves


def by_sensitivity(curves: Mapping[str, Mapping[int, float]], *, max_drop: float) -> Kept:
    """Return the least count of each group down to which its curve never falls by more than `max_drop`."""
    kept = {}
    for name, curve in curves.items():
        counts = sorted(curve, reverse=True)
        kept[name] = counts[0]
        for count in counts[1:]:
            if curve[counts[0]] - curve[count] > max_drop:
                break
            kept[name] = count
    return kept


def damages(group: ChannelGroup, scores: Tensor, counts: Sequence[int]) -> list[float]:
    """Return for each count to keep the sum of the scores that go with the rest."""
    return [float(scores[group.lowest(scores, group.size - count)].sum()) for count in counts]


def _check_share(share: float) -> None:
    if not 0 <= share < 1:
        raise PruningError(f"the share of channels to remove must be at least 0 and less than 1, got {share}")


def normalized(scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return scores in units of their group's mean, so that sums over groups mean something."""
    return {name: score / torch.clamp(score.mean(), min=1e-12) for name, score in scores.items()}
