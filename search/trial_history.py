"""The trials of a study as networks: scored, being scored, or not to be proposed again."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from search.samplers.context import SamplerContext


@dataclass(frozen=True)
class Network:
    """A network of a space that breaks no constraint.

    Attributes:
        costs: all that the context knows, the objectives first.
        accuracy: nan where it is not scored.
    """

    params: dict[str, Any]
    costs: tuple[float, ...]
    accuracy: float = math.nan


@dataclass(frozen=True)
class History:
    """What a study holds of a space's networks.

    Attributes:
        scored: of complete trials, in their order; equal networks once.
        running: those that are being scored or wait for it.
        taken: digests of all networks that were proposed, whatever became of them: failed ones would fail again.
        objectives: costs that are minimised.
    """

    scored: tuple[Network, ...]
    running: tuple[Network, ...]
    taken: frozenset[str]
    objectives: int

    def accuracies(self) -> np.ndarray:
        """Return the accuracies (n,) of the scored networks."""
        return np.array([network.accuracy for network in self.scored])

    def costs(self, networks: Sequence[Network]) -> np.ndarray:
        """Return the objectives' costs (n, objectives) of networks."""
        values = [network.costs[: self.objectives] for network in networks]
        return np.array(values, dtype=float).reshape(len(networks), self.objectives)


def read_history(study: Study, trial: FrozenTrial, context: SamplerContext) -> History:
    """Return what `study` holds besides `trial`; trials that are not of the space are left out."""
    choices = context.space.parameters()
    scored, running, taken = [], [], set[str]()
    # a network may have failed in one trial and be complete in another
    for other in sorted(study.get_trials(deepcopy=False), key=lambda t: t.state != TrialState.COMPLETE):
        # enqueued trials have their choices before they run
        params = other.system_attrs.get("fixed_params", {}) | other.params
        if other.number == trial.number or any(params.get(name) not in values for name, values in choices.items()):
            continue
        params = {name: params[name] for name in choices}
        digest = context.digest(params)
        if digest is None or digest in taken:
            continue
        taken.add(digest)
        costs = context.costs(params)
        if costs is None:
            continue
        if other.state == TrialState.COMPLETE and math.isfinite(other.values[0]):
            scored.append(Network(params, costs, other.values[0]))
        elif other.state in (TrialState.RUNNING, TrialState.WAITING):
            running.append(Network(params, costs))
    return History(tuple(scored), tuple(running), frozenset(taken), len(study.directions) - 1)
