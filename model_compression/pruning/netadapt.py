"""NetAdapt: a network made cheaper step by step, each step where it costs the least accuracy."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import nn

from model_compression.errors import BudgetError, PruningError
from model_compression.methods import method
from model_compression.pruning.allocation import widths
from model_compression.pruning.channels import (
    ChannelGroup,
    Shape,
    channel_groups,
    kept_channels,
    prune_channels,
    remaining_groups,
)
from model_compression.pruning.cost import Cost, given_or_measured
from model_compression.pruning.importance import IMPORTANCES, Batches

_LEAST_SHARE = 0.02  # of the reduction first asked for: below that no step is tried


@dataclass(frozen=True)
class Step:
    """One group made narrower: what the whole network then costs, and its accuracy after the short tuning."""

    group: str
    kept: int
    ms: float
    accuracy: float
    proposals: int


@dataclass(frozen=True)
class Adapted:
    """A tuned network within its budget; `removed` are channels of the unpruned network, to be stored."""

    network: nn.Module
    removed: dict[str, list[int]]
    ms: float
    before_ms: float
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class _Proposal:
    network: nn.Module
    group: ChannelGroup
    channels: list[int]
    ms: float


@method("netadapt", "pruning", paper="arXiv:1804.03230")
def netadapt(
    network: nn.Module,
    budget_ms: float,
    *,
    shape: Shape,
    tune: Callable[[nn.Module], object],
    evaluate: Callable[[nn.Module], float],
    cost: Cost | None = None,
    groups: Sequence[ChannelGroup] | None = None,
    importance: str = "l2",
    batches: Batches | None = None,
    reduction: float = 0.05,
    decay: float = 0.98,
    align: int = 8,
    on_step: Callable[[Step], None] | None = None,
) -> Adapted:
    """Narrow one group a step until the network costs at most `budget_ms` (arXiv:1804.03230, algorithm 1).

    In each step every group proposes the widest network that costs DeltaR less; each proposal is tuned shortly, and the
    most accurate one goes on. Every step lowers the cost. Where no group can save that much, DeltaR is halved.
    Train the result longer afterwards.

    Args:
        tune: trains a network shortly, in place.
        evaluate: its accuracy, higher is better, on images that neither `tune` nor the final figures use.
        cost: of a network; what onnxruntime takes here by default.
        importance: which channels of a group go, judged on the network as tuned so far.
        reduction: DeltaR of the first step, as a share of what the network costs at first; times `decay` a step.
        align: widths that are tried are multiples of it.

    Raises BudgetError where no narrower network is cheaper before the budget is reached.
    """
    if not (0 < reduction < 1 and 0 < decay <= 1):
        raise PruningError(f"reduction and decay are shares of 0..1, got {reduction} and {decay}")
    groups = tuple(channel_groups(network, shape) if groups is None else groups)
    whole, current = {group.name: group for group in groups}, groups
    network, removed, steps = copy.deepcopy(network), dict[str, list[int]](), list[Step]()
    with given_or_measured(cost, shape) as price:
        before = ms = price(network)
        delta, least = reduction * before, _LEAST_SHARE * reduction * before
        known: dict[tuple[int, ...], float] = {}
        while ms > budget_ms:
            scores = IMPORTANCES.get(importance)(network, current, batches)
            target = max(ms - delta, budget_ms)

            def propose(group: ChannelGroup) -> _Proposal | None:
                for width in reversed(widths(group, align=align)[:-1]):
                    channels = group.lowest(scores[group.name], group.size - width)  # noqa: B023
                    candidate = prune_channels(network, {group.name: channels}, shape, groups=current)  # noqa: B023
                    sizes = tuple(width if g is group else g.size for g in current)  # noqa: B023
                    if sizes not in known:
                        known[sizes] = price(candidate)
                    if known[sizes] <= target:  # noqa: B023
                        return _Proposal(candidate, group, channels, known[sizes])
                return None

            proposals = [p for group in current if group.name in scores and (p := propose(group))]
            if not proposals:
                delta /= 2
                if delta < least:
                    raise BudgetError(
                        f"no narrower network is cheaper than {ms:.4g} ms; the budget is {budget_ms:g} ms"
                    )
                continue
            best, accuracy = _most_accurate(proposals, tune, evaluate)
            network, ms = best.network, best.ms
            name, kept = best.group.name, kept_channels(whole[best.group.name], removed)
            current = remaining_groups(current, {name: best.channels})
            removed[name] = sorted([*removed.get(name, ()), *(kept[c] for c in best.channels)])
            steps.append(Step(name, len(kept) - len(best.channels), ms, accuracy, len(proposals)))
            if on_step:
                on_step(steps[-1])
            delta *= decay
    return Adapted(network, removed, ms, before, tuple(steps))


def _most_accurate(
    proposals: Sequence[_Proposal], tune: Callable[[nn.Module], object], evaluate: Callable[[nn.Module], float]
) -> tuple[_Proposal, float]:
    """Tune each proposal; of equally accurate ones the cheaper one is best."""
    rated = []
    for proposal in proposals:
        tune(proposal.network)
        rated.append((evaluate(proposal.network), -proposal.ms))
    number = max(range(len(rated)), key=rated.__getitem__)
    return proposals[number], rated[number][0]
