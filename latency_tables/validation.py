"""How well predictions hold for networks left out of the fit, and how wide an interval must be to hold them."""

import math
from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.optimize import linprog
from scipy.stats import kendalltau
from sklearn.model_selection import KFold

from latency_tables.cost import Cost
from latency_tables.estimator import Estimator
from latency_tables.kernels import spec_kernels
from latency_tables.observation import Observation

_FOLDS = 6
_COVERED = 0.9
_HIGHEST = 0.99  # level of a quantile, also where the networks are few
_LEAST = (0.0, 1.645, 0.0)  # by how many deviations a normal distribution's nine in ten are off


_Weight = Annotated[float, Field(ge=0, le=1e6)]


class Accuracy(BaseModel):
    """How predictions compare with measurements.

    Attributes:
        mape: mean absolute error, relative; `worst` the largest.
        within_5, within_10: shares of networks within 5 and 10 %.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    networks: int
    mape: float
    within_5: float
    within_10: float
    worst: float
    kendall_tau: float


class Validation(Accuracy):
    """How predictions for networks drawn at random, left out of the fit, compare with their measurements.

    Attributes:
        repeatability: typical relative half width of the measurements' own 95 % intervals.
        width: of the interval that holds nine in ten, for one of each of the `doubts`; relative.
    """

    repeatability: float
    width: tuple[_Weight, _Weight, _Weight]


def compare(predicted: Sequence[float], measured: Sequence[float]) -> Accuracy:
    """Return how `predicted` latencies compare with `measured` ones, in any unit."""
    p, m = np.array(predicted), np.array(measured)
    errors = np.abs(p / m - 1)
    tau = float(kendalltau(p, m).statistic) if len(p) > 1 else math.nan
    return Accuracy(
        networks=len(m),
        mape=float(errors.mean()),
        within_5=float((errors <= 0.05).mean()),
        within_10=float((errors <= 0.1).mean()),
        worst=float(errors.max()),
        kendall_tau=0.0 if math.isnan(tau) else tau,
    )


def doubts_of(estimator: Estimator, cost: Cost) -> tuple[float, float, float]:
    """Return why a prediction may be off: at all, for coefficients known badly, for kernels that no network had."""
    return 1.0, estimator.deviation(cost), max(0.0, 1 - cost.known / cost.value)


def half_width(width: Sequence[float], doubts: Sequence[float]) -> float:
    """Return the relative half width of the interval of a prediction with these `doubts`."""
    return sum(w * doubt for w, doubt in zip(width, doubts, strict=True))


def validate(observations: Sequence[Observation]) -> Validation:
    """Return how estimators made without a sixth of the networks predict that sixth, for each sixth."""
    predicted, found = np.zeros(len(observations)), np.zeros((len(observations), 3))
    for train, test in KFold(min(_FOLDS, len(observations)), shuffle=True, random_state=0).split(predicted):
        estimator = Estimator([observations[i] for i in train])
        for i in test:
            o = observations[i]
            cost = estimator.cost(spec_kernels(o.spec, o.num_classes, o.in_chans))
            predicted[i], found[i] = cost.value, doubts_of(estimator, cost)
    measured = np.array([o.cost for o in observations])
    drawn = np.array([o.drawn for o in observations])
    return Validation(
        **compare(predicted[drawn], measured[drawn]).model_dump(),
        repeatability=float(np.median([(o.high - o.low) / 2 / o.cost for o in observations])),
        width=fit_width(found, np.abs(np.log(measured / predicted))),
    )


def fit_width(doubts: np.ndarray, errors: np.ndarray) -> tuple[float, float, float]:
    """Return the weights of `doubts` whose sum is the quantile of `errors` that nine in ten stay below.

    None is negative, and that of a standard deviation is a normal distribution's or more: few networks, or a busy
    machine, cannot show that what is known badly is predicted well.
    Linear quantile regression (Koenker and Bassett 1978) of errors of networks left out, its level raised as split
    conformal prediction does (Papadopoulos 2002).
    """
    count, kinds = doubts.shape
    level = min(_COVERED * (count + 1) / count, _HIGHEST)
    costs = np.concatenate([np.zeros(kinds), np.full(count, level), np.full(count, 1 - level)])
    bounds = [(least, None) for least in (*_LEAST, *np.zeros(2 * count))]
    found = linprog(costs, A_eq=np.hstack([doubts, np.eye(count), -np.eye(count)]), b_eq=errors, bounds=bounds)
    first, second, third = map(float, found.x[:kinds])
    return first, second, third
