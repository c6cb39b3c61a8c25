"""Widths by what they cost on the device: steps of its staircase alone, chosen together by a knapsack."""

import itertools
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from model_compression.errors import BudgetError
from model_compression.knapsack import Option, choose
from model_compression.low_rank.layers import input_shapes
from model_compression.methods import method
from model_compression.pruning.allocation import Kept, least_important, widths
from model_compression.pruning.channels import ChannelGroup, Shape, channel_groups, prune_channels
from model_compression.pruning.cost import Cost, given_or_measured

Damage = Callable[[ChannelGroup, Sequence[int]], float]

_ROUNDS = 12
_NEAR = 0.99  # of the budget: what is nearer cannot be told apart by measuring
_WORTH = 0.04  # of what is to be saved: finer steps of one group are not looked for


@dataclass(frozen=True)
class LatencyLed:
    """A network within its budget.

    Attributes:
        removed: the channels, of the unpruned network, to be stored.
        ms: of the pruned network as a whole; `before_ms` of the unpruned one.
        damage: the sum over the groups.
        steps: for each group the widths worth having and what the whole network costs with each, in milliseconds.
    """

    network: nn.Module
    removed: dict[str, list[int]]
    ms: float
    before_ms: float
    damage: float
    steps: dict[str, dict[int, float]]


def staircase(counts: Sequence[int], ms: Sequence[float], *, tolerance: float = 0.01) -> tuple[int, ...]:
    """Return the widths worth having, ascending: each is cheaper than all wider ones by more than `tolerance` of them.

    >>> staircase([80, 88, 96, 100, 112], [0.132, 0.154, 0.154, 0.178, 0.178])
    (80, 96, 112)
    """
    worth: list[int] = []
    least = float("inf")
    for count, cost in sorted(zip(counts, ms, strict=True), reverse=True):
        if not worth or cost < least * (1 - tolerance):
            worth.append(count)
        least = min(least, cost)
    return tuple(reversed(worth))


@method("latency-knapsack-pruning", "pruning", paper="arXiv:2110.10811")
def latency_led(
    network: nn.Module,
    budget_ms: float,
    *,
    shape: Shape,
    scores: Mapping[str, Tensor],
    cost: Cost | None = None,
    damage: Damage | None = None,
    groups: Sequence[ChannelGroup] | None = None,
    align: int = 8,
    most: int = 6,
    tolerance: float = 0.01,
    on_width: Callable[[int, int], None] | None = None,
) -> LatencyLed:
    """Remove the channels of least damage so that the whole network costs at most `budget_ms`.

    Each group is pruned alone to widths that `align` allows, and what the whole network then costs shows the
    device's staircase; groups of the same layers on inputs of the same size share it. Only its steps go into a
    multiple-choice knapsack (as in HALP, arXiv:2110.10811). Savings do not quite add up; so the choice is measured as a
    whole, and the knapsack's budget corrected until the real one is kept.

    Args:
        scores: of the channels, by group; groups that are missing stay whole.
        cost: of a network; what onnxruntime takes here by default. Multiply-adds give pruning led by them.
        damage: of removing those channels of that group; by default the sum of their scores, which then have to be
            comparable between groups, as those of "taylor" are.
        most: narrower widths of a group that are measured: the narrowest, then where the cost changes most.
        on_width: called with (widths measured or found needless, all that may be measured).

    Raises BudgetError where the narrowest network costs more.
    """
    groups = channel_groups(network, shape) if groups is None else groups
    judged = [group for group in groups if group.name in scores]
    harm = damage or (lambda group, channels: float(scores[group.name][list(channels)].sum()))
    with given_or_measured(cost, shape) as price:

        def measure(kept: Kept) -> float:
            return price(prune_channels(network, least_important(groups, scores, kept), shape, groups=groups))

        before = price(network)
        steps = _staircases(
            judged,
            _kernel_classes(network, judged, shape),
            before,
            measure,
            align=align,
            most=most,
            tolerance=tolerance,
            least=_WORTH * max(0.0, before - budget_ms),
            on_width=on_width,
        )
        options = []
        for group in judged:
            gone = [least_important([group], scores, {group.name: c}).get(group.name, []) for c in steps[group.name]]
            costs = steps[group.name].values()
            options.append([Option(ms - before, harm(group, g)) for ms, g in zip(costs, gone, strict=True)])
        counts = [list(steps[group.name]) for group in judged]
        names = [group.name for group in judged]
        chosen, ms = _fit(
            options,
            budget_ms,
            before,
            lambda pick: measure({n: c[i] for n, c, i in zip(names, counts, pick, strict=True)}),
        )
        removed = least_important(groups, scores, {n: c[i] for n, c, i in zip(names, counts, chosen, strict=True)})
    return LatencyLed(
        network=prune_channels(network, removed, shape, groups=groups),
        removed=removed,
        ms=ms,
        before_ms=before,
        damage=sum(item[i].damage for item, i in zip(options, chosen, strict=True)),
        steps=steps,
    )


def _kernel_classes(network: nn.Module, groups: Sequence[ChannelGroup], shape: Shape) -> list[Hashable]:
    """Return for each group what groups have in common whose channels cost the same."""
    shapes = input_shapes(network, shape, [part.layer for group in groups for part in group.slices])
    return [
        tuple((str(network.get_submodule(s.layer)), s.side, shapes.get(s.layer), s.index) for s in group.slices)
        for group in groups
    ]


def _staircases(
    groups: Sequence[ChannelGroup],
    classes: Sequence[Hashable],
    before_ms: float,
    measure: Callable[[Kept], float],
    *,
    align: int,
    most: int,
    tolerance: float,
    least: float,
    on_width: Callable[[int, int], None] | None,
) -> dict[str, dict[int, float]]:
    """Return for each group the steps of its staircase with what the whole network costs on each."""
    possible = {kind: _most_widths(group, align, most) for kind, group in zip(classes, groups, strict=True)}
    done, total, known = 0, sum(possible.values()), dict[Hashable, dict[int, float]]()

    def note(measured: int) -> None:
        if on_width:
            on_width(done + measured, total)

    for group, kind in zip(groups, classes, strict=True):
        if kind in known:
            continue
        ms = {group.size: before_ms}
        narrower = widths(group, align=align)[:-1]
        while (count := _next_width(ms, narrower, tolerance, least)) and len(ms) <= most:
            ms[count] = measure({group.name: count})
            note(len(ms) - 1)
        # the tolerance is of the group's own share in the network, which is about what all its channels save
        own = [value - min(ms.values()) for value in ms.values()]
        known[kind] = {count: ms[count] for count in staircase(list(ms), own, tolerance=tolerance)}
        note(possible[kind])
        done += possible[kind]
    return {group.name: known[kind] for group, kind in zip(groups, classes, strict=True)}


def _most_widths(group: ChannelGroup, align: int, most: int) -> int:
    return min(most, len(widths(group, align=align)) - 1)


def _next_width(ms: Mapping[int, float], narrower: Sequence[int], tolerance: float, least: float) -> int | None:
    """Return the width to measure next: the narrowest, then the middle of the gap in which the cost changes most.

    None where no gap holds a change worth knowing.
    """
    if not narrower:
        return None
    if narrower[0] not in ms:
        return narrower[0]
    gaps = []
    for low, high in itertools.pairwise(sorted(ms)):
        inside = [count for count in narrower if low < count < high]
        if inside:
            gaps.append((abs(ms[high] - ms[low]), inside[len(inside) // 2]))
    change, middle = max(gaps, default=(0.0, 0))
    return middle if change > max(least, tolerance * (max(ms.values()) - min(ms.values()))) else None


def _fit(
    options: Sequence[Sequence[Option]], budget_ms: float, before_ms: float, measure: Callable[[list[int]], float]
) -> tuple[list[int], float]:
    """Return the choice of least damage that was measured within the budget, with its cost."""
    measured: dict[tuple[int, ...], float] = {}
    best: tuple[float, list[int], float] | None = None
    low, high, aim = -float("inf"), float("inf"), budget_ms
    cheapest = [min(range(len(item)), key=lambda i: (item[i].cost, item[i].damage)) for item in options]
    for _ in range(_ROUNDS):
        try:
            pick = choose(options, aim - before_ms)
        except BudgetError:  # savings may add up to more than the table says
            pick = cheapest
        if tuple(pick) not in measured:
            measured[tuple(pick)] = measure(pick)
        ms = measured[tuple(pick)]
        if ms <= budget_ms:
            low = max(low, aim)
            harm = sum(item[i].damage for item, i in zip(options, pick, strict=True))
            if best is None or harm < best[0]:
                best = (harm, pick, ms)
            if ms >= _NEAR * budget_ms or harm == 0:
                break
        else:
            if pick == cheapest:
                break
            high = min(high, aim)
        following = aim + budget_ms - ms
        aim = following if low < following < high else (low + high) / 2
        if aim in (low, high) or abs(aim) == float("inf"):
            break
    if best is None:
        least = min(measured.values())
        raise BudgetError(f"the narrowest network measured costs {least:.4g} ms, above the budget of {budget_ms:g} ms")
    return best[1], best[2]
