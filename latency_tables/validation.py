"""How well predictions hold for networks left out of the fit, and how wide an interval must be to hold them."""

import math
from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy.stats import kendalltau
from sklearn.model_selection import KFold

from latency_tables.cost import Cost
from latency_tables.estimator import Estimator
from latency_tables.kernels import spec_kernels
from latency_tables.observation import Observation

_FOLDS = 6
_COVERED = 0.9
_WEIGHTS = 21
_NEW_KERNELS = 0.25  # how far a share of estimated kernels widens the interval by itself


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
        width: relative half width of the interval for doubt 1, that holds nine in ten (split conformal prediction,
            Papadopoulos 2002, the error divided by the estimate's own doubt).
        weight: of the sum over kernels in a prediction, chosen on the same networks.
    """

    repeatability: float
    width: float
    weight: float


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


def doubt(cost: Cost) -> float:
    """Return how doubtful an estimate is, relative to others: 1 where every kernel was measured."""
    return 1 + (cost.doubt + _NEW_KERNELS * (cost.value - cost.known)) / cost.value / 0.1


def validate(observations: Sequence[Observation]) -> Validation:
    """Return how estimators made without a sixth of the random networks predict that sixth, for each sixth."""
    fair = [o for o in observations if o.drawn]
    others = [o for o in observations if not o.drawn]
    measured, costs, sums = [], [], []
    for train, test in KFold(min(_FOLDS, len(fair)), shuffle=True, random_state=0).split(fair):
        estimator = Estimator([*(fair[i] for i in train), *others])
        for o in (fair[i] for i in test):
            placed = spec_kernels(o.spec, o.num_classes, o.in_chans)
            measured.append(o.cost)
            costs.append(estimator.cost(placed))
            sums.append(estimator.both(placed))
    weight = _best_weight(np.array(sums), np.array(measured))
    predicted = np.array(sums) @ [weight, 1 - weight]
    scores = np.abs(np.log(np.array(measured) / predicted)) / [doubt(cost) for cost in costs]
    rank = min(math.ceil(_COVERED * (len(scores) + 1)), len(scores))
    return Validation(
        **compare(predicted, measured).model_dump(),
        repeatability=float(np.median([(o.high - o.low) / 2 / o.cost for o in observations])),
        width=float(np.sort(scores)[rank - 1]),
        weight=weight,
    )


def _best_weight(sums: np.ndarray, measured: np.ndarray) -> float:
    """Return the weight of the first of two sums whose mean is nearest to `measured`, relative errors squared."""
    weights = np.linspace(0, 1, _WEIGHTS)
    errors = [np.square(np.log(sums @ [w, 1 - w] / measured)).mean() for w in weights]
    return round(float(weights[int(np.argmin(errors))]), 3)
