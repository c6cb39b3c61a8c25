"""What a search minimises beside the accuracy that it maximises, and what cuts a network before any training."""

from collections.abc import Mapping
from dataclasses import dataclass

from latency_tables import LatencyTable
from search.errors import SearchError
from search.scores.static import STATIC_LIMITS, static_scores
from search.space_latency import SpaceLatency
from search.spaces import SearchSpace
from search.spaces.base import Params
from zoo import ArchSpec, SpecError
from zoo.errors import unknown_name

ACCURACY, LATENCY, REWARD = "accuracy", "latency_ms", "reward"
_REWARD_EXPONENT = -0.07  # arXiv:1807.11626, section 3: doubling the latency is worth 5 % of accuracy


@dataclass(frozen=True)
class Goal:
    """What is wanted of a network.

    Attributes:
        tables: one latency table a device; the costs are called `latency_ms`, or `NAME_ms` where there are several.
        budgets_ms: the most milliseconds by the same names.
        limits: the most parameters, MACs, memory, size by the names of `search.scores.static.STATIC_LIMITS`.
        objectives: costs to minimise beside maximising accuracy; `reward` alone is MnasNet's soft reward instead,
            accuracy times (latency / budget) to the power of -0.07, and the budget cuts nothing.
    """

    tables: Mapping[str, LatencyTable]
    budgets_ms: Mapping[str, float]
    limits: Mapping[str, float]
    objectives: tuple[str, ...]

    @property
    def main(self) -> str:
        """The name of the first latency."""
        return next(iter(self.tables))

    @property
    def table(self) -> LatencyTable:
        """The first table."""
        return self.tables[self.main]

    @property
    def soft(self) -> bool:
        """Whether accuracy and latency are one number."""
        return self.objectives == (REWARD,)

    @property
    def reference(self) -> tuple[float, ...]:
        """The most of each objective's cost that is of interest; infinite where nothing limits it."""
        most = {**self.budgets_ms, **self.limits}
        return tuple(most.get(name, float("inf")) for name in ((self.main,) if self.soft else self.objectives))

    def values(self, accuracy: float, costs: Mapping[str, float]) -> list[float]:
        """Return the values of the study's objectives; the first is maximised, the others are minimised."""
        if self.soft:
            return [accuracy * (costs[self.main] / self.budgets_ms[self.main]) ** _REWARD_EXPONENT]
        return [accuracy, *(costs[name] for name in self.objectives)]

    @property
    def metric_names(self) -> list[str]:
        """Names of the study's objectives."""
        return [REWARD] if self.soft else [ACCURACY, *self.objectives]


def _cost_name(device: str) -> str:
    return f"{device}_ms" if device else LATENCY


def make_goal(
    table: LatencyTable | Mapping[str, LatencyTable],
    budget_ms: float | Mapping[str, float],
    limits: Mapping[str, float] | None = None,
    objectives: tuple[str, ...] = (),
) -> Goal:
    """Return a goal; the latencies are the objectives by default. Raises SearchError for what does not go together.

    A table or budget alone is that of a device without a name, "".
    """
    by_device = {"": table} if isinstance(table, LatencyTable) else table
    tables = {_cost_name(device): one for device, one in by_device.items()}
    if isinstance(budget_ms, Mapping):
        budgets = {_cost_name(device): value for device, value in budget_ms.items()}
    else:
        budgets = dict.fromkeys(tables, budget_ms)
    limits = dict(limits or {})
    if not tables or set(budgets) != set(tables):
        raise SearchError(f"budgets for {', '.join(budgets) or 'nothing'}, tables for {', '.join(tables) or 'nothing'}")
    for name, value in (budgets | limits).items():
        if not value > 0:
            raise SearchError(f"the budget of {name} must be above 0, got {value:g}")
    for name in limits:
        if name not in STATIC_LIMITS:
            raise unknown_name("limit", name, STATIC_LIMITS)
    objectives = objectives or tuple(tables)
    known = (*tables, *STATIC_LIMITS, REWARD)
    for name in objectives:
        if name not in known:
            raise unknown_name("objective", name, known)
    if REWARD in objectives and len(objectives) > 1:
        raise SearchError("the objective 'reward' already holds accuracy and latency: it stands alone")
    first = next(iter(tables.values()))
    if any((t.num_classes, t.in_chans) != (first.num_classes, first.in_chans) for t in tables.values()):
        raise SearchError("the latency tables are for different numbers of classes or channels")
    return Goal(tables, budgets, limits, objectives)


@dataclass(frozen=True)
class Verdict:
    """What is known of a network before any training.

    Attributes:
        violations: by how much of itself each budget or limit is exceeded; only what is.
    """

    spec: ArchSpec
    costs: dict[str, float]
    violations: dict[str, float]


class CostModel:
    """The costs of a space's networks; each stage's latency and each network's counts are found once.

    Attributes:
        most: what cuts a network, the highest value of each cost by its name.
    """

    def __init__(self, space: SearchSpace, goal: Goal) -> None:
        self._space, self._goal = space, goal
        self._latencies = {name: SpaceLatency(space, table) for name, table in goal.tables.items()}
        self._counts = bool({*goal.limits, *goal.objectives} & set(STATIC_LIMITS))
        self.most = dict(goal.limits) if goal.soft else {**goal.budgets_ms, **goal.limits}

    def judge(self, params: Params) -> Verdict:
        """Return the network of `params` and its costs; raises SpecError where they make none."""
        spec = self._space.decode(params)
        costs = {name: table.predict_any(spec).ms for name, table in self._goal.tables.items()}
        if self._counts:
            costs |= self._static(spec)
        over = {name: costs[name] / most - 1 for name, most in self.most.items() if costs[name] > most}
        return Verdict(spec, costs, over)

    def quick(self, params: Params) -> tuple[float, ...] | None:
        """Return the objectives' costs of `params`; None where they make no network or one that is cut."""
        costs = self._known(params)
        if costs is None or self._share(costs) > 1:
            return None
        return tuple(costs[name] for name in ((self._goal.main,) if self._goal.soft else self._goal.objectives))

    def share(self, params: Params) -> float:
        """Return the greatest share that a cost takes of its budget or limit; infinite where there is no network."""
        costs = self._known(params)
        return float("inf") if costs is None else self._share(costs)

    def _known(self, params: Params) -> dict[str, float] | None:
        costs = {name: latency.ms(params) for name, latency in self._latencies.items()}
        if max(costs.values()) == float("inf"):
            return None
        try:
            return costs | self._static(self._space.decode(params)) if self._counts else costs
        except SpecError:
            return None

    def _share(self, costs: Mapping[str, float]) -> float:
        return max((costs[name] / most for name, most in self.most.items()), default=0.0)

    def _static(self, spec: ArchSpec) -> dict[str, float]:
        table = self._goal.table
        bits = 8 if table.device.dtype.startswith("int8") else 32
        scores = static_scores(spec, table.num_classes, table.in_chans, bits=bits)
        return {name: of(scores) for name, of in STATIC_LIMITS.items()}
