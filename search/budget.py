"""Networks of a space that a table predicts within a budget, found without training any."""

import random
from typing import Any

from latency_tables import LatencyTable
from search.errors import BudgetError
from search.space_latency import SpaceLatency
from search.spaces import Space

_RANDOM_DRAWS = 200
_MAX_WALK_STEPS = 2000

Params = dict[str, Any]


def fastest(space: Space, latency: SpaceLatency, start: Params) -> tuple[Params, float]:
    """Return the fastest choices found from `start` by changing one choice at a time for the better."""
    best, best_ms = start, latency.ms(start)
    improved = True
    while improved:
        improved = False
        for name, choices in space.parameters().items():
            for value in choices:
                if value == best[name]:
                    continue
                changed = best | {name: value}
                ms = latency.ms(changed)
                if ms < best_ms:
                    best, best_ms, improved = changed, ms, True
    return best, best_ms


def feasible_params(space: Space, table: LatencyTable, budget_ms: float, count: int, seed: int) -> list[Params]:
    """Return up to `count` different sets of choices predicted within `budget_ms`.

    Random draws come first; where too few of them are fast enough, a random walk from the fastest network found
    fills up. Raises BudgetError, naming that network's latency, where even it is over the budget.
    """
    rng, latency = random.Random(seed), SpaceLatency(space, table)
    drawn: list[tuple[float, Params]] = []
    chosen: list[Params] = []
    for _ in range(_RANDOM_DRAWS):
        params = space.sample_params(rng)
        ms = latency.ms(params)
        drawn.append((ms, params))
        if ms <= budget_ms and params not in chosen:
            chosen.append(params)
        if len(chosen) == count:
            return chosen
    quickest, quickest_ms = fastest(space, latency, min(drawn, key=lambda pair: pair[0])[1])
    if quickest_ms > budget_ms:
        raise BudgetError(
            f"no network of space {space.name!r} is predicted within {budget_ms:g} ms; the fastest found takes "
            f"{quickest_ms:.3f} ms: take a budget above that, another runtime or another space"
        )
    if quickest not in chosen:
        chosen.append(quickest)
    here = quickest
    for _ in range(_MAX_WALK_STEPS):
        if len(chosen) >= count:
            break
        name, choices = rng.choice(list(space.parameters().items()))
        there = here | {name: rng.choice(choices)}
        if latency.ms(there) <= budget_ms:
            here = there
            if there not in chosen:
                chosen.append(there)
    return chosen[:count]
