"""One option for each item, of least damage within a budget: the multiple-choice knapsack."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from model_compression.errors import BudgetError

_MOST_STATES = 20_000


class Option(NamedTuple):
    """One way to treat an item: what it costs, in the unit of the budget, and how much it damages."""

    cost: float
    damage: float


def choose(options: Sequence[Sequence[Option]], budget: float) -> list[int]:
    """Return the index of the option to take for each item: the least sum of damages that keeps the budget.

    `options` has a list for each item. The costs, added in order, never exceed the budget. Exact while fewer than
    20 000 partial choices are worth keeping, else of those with nearly the same cost the least damaging goes on
    (Kellerer et al., Knapsack Problems, 2004, section 11.5).

    Raises BudgetError if even the cheapest options cost too much, if an item has no option or a number is not finite.

    >>> choose([[Option(4, 0), Option(1, 3)], [Option(4, 0), Option(1, 1)]], budget=6)
    [0, 1]
    """
    items = [np.array(item, dtype=np.float64).reshape(-1, 2) for item in options]
    for number, item in enumerate(items):
        if not len(item) or not np.isfinite(item).all():
            raise BudgetError(f"item {number} has no options, or a cost or damage that is not finite")
    cheapest = [float(item[:, 0].min()) for item in items]
    least = float(np.cumsum([0, *cheapest])[-1])  # sum() rounds otherwise in newer Pythons
    if not least <= budget:
        raise BudgetError(f"even the cheapest options cost {least:g}, above the budget of {budget:g}")
    # sums in another order differ in their last digits: states just above the limit are judged at the end
    slack = 1e-12 * sum(float(np.abs(item[:, 0]).max()) for item in items)
    cost, damage, steps = np.zeros(1), np.zeros(1), []
    for number, item in enumerate(items):
        cost = (cost[:, None] + item[:, 0]).ravel()
        damage = (damage[:, None] + item[:, 1]).ravel()
        kept = _worth_keeping(cost, damage, budget - sum(cheapest[number + 1 :]) + slack)
        cost, damage = cost[kept], damage[kept]
        steps.append(np.divmod(kept, len(item)))
    state, chosen = int(np.flatnonzero(cost <= budget)[-1]), []
    for before, option in reversed(steps):
        chosen.append(int(option[state]))
        state = int(before[state])
    return chosen[::-1]


def _worth_keeping(cost: np.ndarray, damage: np.ndarray, limit: float) -> np.ndarray:
    """Return indices by rising cost and falling damage; the cheapest is always there."""
    order = np.lexsort((damage, cost))
    cost, damage = cost[order], damage[order]
    affordable = cost <= limit
    affordable[0] = True
    less_damage = np.concatenate([[True], damage[1:] < np.minimum.accumulate(damage)[:-1]])
    front = np.flatnonzero(affordable & less_damage)
    if len(front) > _MOST_STATES:
        width = (cost[front[-1]] - cost[front[0]]) / _MOST_STATES
        bucket = ((cost[front] - cost[front[0]]) / width).astype(np.int64)
        last = np.concatenate([bucket[1:] != bucket[:-1], [True]])
        last[0] = True
        front = front[last]
    return order[front]
