"""Networks of a space within the budgets, found without training any."""

import random
from typing import Any

from search.errors import BudgetError
from search.objectives import CostModel
from search.spaces import SearchSpace

_RANDOM_DRAWS = 200
_MAX_WALK_STEPS = 2000

Params = dict[str, Any]


def least(space: SearchSpace, costs: CostModel, start: Params) -> tuple[Params, float]:
    """Return the network that takes the least share of its budgets, found from `start` by single changes."""
    best, best_share = start, costs.share(start)
    improved = True
    while improved:
        improved = False
        for name, choices in space.parameters().items():
            for value in choices:
                if value == best[name]:
                    continue
                changed = best | {name: value}
                share = costs.share(changed)
                if share < best_share:
                    best, best_share, improved = changed, share, True
    return best, best_share


def feasible_params(space: SearchSpace, costs: CostModel, count: int, seed: int) -> list[Params]:
    """Return up to `count` different sets of choices within the budgets and limits of `costs`.

    Random draws come first; where too few of them are cheap enough, a random walk from the cheapest network found
    fills up. Raises BudgetError, naming that network's costs, where even it is over a budget.
    """
    rng = random.Random(seed)
    drawn: list[tuple[float, Params]] = []
    chosen: list[Params] = []
    for _ in range(_RANDOM_DRAWS):
        params = space.sample_params(rng)
        share = costs.share(params)
        drawn.append((share, params))
        if share <= 1 and params not in chosen:
            chosen.append(params)
        if len(chosen) == count:
            return chosen
    cheapest, share = least(space, costs, min(drawn, key=lambda pair: pair[0])[1])
    if share > 1:
        raise BudgetError(_nothing_fits(space, costs, cheapest))
    if cheapest not in chosen:
        chosen.append(cheapest)
    here = cheapest
    for _ in range(_MAX_WALK_STEPS):
        if len(chosen) >= count:
            break
        name, choices = rng.choice(list(space.parameters().items()))
        there = here | {name: rng.choice(choices)}
        if costs.share(there) <= 1:
            here = there
            if there not in chosen:
                chosen.append(there)
    return chosen[:count]


def _nothing_fits(space: SearchSpace, costs: CostModel, cheapest: Params) -> str:
    verdict = costs.judge(cheapest)
    over = " and ".join(
        f"{name} {verdict.costs[name]:.3f} where {costs.most[name]:g} is wanted" for name in verdict.violations
    )
    return (
        f"no network of space {space.name!r} was found within the budget: the cheapest has {over}; "
        "take a larger budget, another runtime or another space"
    )
