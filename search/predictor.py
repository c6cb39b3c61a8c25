"""Accuracies of networks, guessed from those of the networks trained so far."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from search.gaussian_process import GaussianProcess, fit_gaussian_process
from search.spaces.base import Params
from search.trial_history import Network

_FAR_BELOW = 6.0  # interquartile ranges below the median


@dataclass(frozen=True)
class AccuracyPredictor:
    """A Gaussian process over the choices of networks, their costs, and training-free scores if there are any."""

    parameters: Mapping[str, tuple[Any, ...]]
    scales: tuple["_Scale", ...]
    process: GaussianProcess

    def predict(self, networks: Sequence[Network], scores: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and standard deviation (m,) of the accuracies of networks; `scores` as when it was fitted."""
        return self.process.predict(_groups(self.parameters, self.scales, networks, scores))


def fit_predictor(
    parameters: Mapping[str, tuple[Any, ...]],
    networks: Sequence[Network],
    accuracies: np.ndarray,
    scores: np.ndarray | None = None,
) -> AccuracyPredictor:
    """Return what the accuracies (n,) of networks teach.

    Args:
        parameters: all choices of the space, by name.
        scores: training-free ones (n, s); nan or infinite where one could not be had.
    """
    scales = tuple(_Scale.of(columns) for columns in _numbers(networks, scores))
    groups = _groups(parameters, scales, networks, scores)
    return AccuracyPredictor(parameters, scales, fit_gaussian_process(groups, without_outliers(accuracies)))


def without_outliers(accuracies: np.ndarray) -> np.ndarray:
    """Return accuracies with those far below the rest raised: how bad a bad network is does not matter, only that."""
    low, middle, high = np.quantile(accuracies, (0.25, 0.5, 0.75))
    return np.maximum(accuracies, middle - _FAR_BELOW * (high - low)) if high > low else accuracies


def encode_choices(parameters: Mapping[str, tuple[Any, ...]], params: Sequence[Params]) -> np.ndarray:
    """Return choices as numbers (n, width) whose Manhattan distance counts those that differ.

    A number is its place among the choices, 0..1, so that neighbours are less than one apart; a word is a half in the
    column of its own.
    """
    columns = [np.zeros((len(params), 1))]
    for name, values in parameters.items():
        place = np.array([values.index(one[name]) for one in params], dtype=int)
        if all(isinstance(value, int | float) for value in values):
            rank = np.argsort(np.argsort(values)) / max(1, len(values) - 1)
            columns.append(rank[place][:, None])
        else:
            columns.append(0.5 * np.eye(len(values))[place])
    return np.concatenate(columns, axis=1)


@dataclass(frozen=True)
class _Scale:
    """How columns of numbers of any magnitude become comparable: nearly their logarithms, centred, of unit spread."""

    unit: np.ndarray
    low: np.ndarray
    high: np.ndarray
    middle: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, columns: np.ndarray) -> "_Scale":
        finite = np.where(np.isfinite(columns), columns, np.nan)
        known = np.where(np.all(np.isnan(finite), axis=0), 0.0, finite)  # a column without any number says nothing
        unit = np.nanmedian(np.abs(known), axis=0)
        logs = np.arcsinh(known / np.where(unit > 0, unit, 1.0))
        spread = np.nanstd(logs, axis=0)
        return cls(
            np.where(unit > 0, unit, 1.0),
            np.nanmin(known, axis=0),
            np.nanmax(known, axis=0),
            np.nanmean(logs, axis=0),
            np.where(spread > 1e-9, spread, np.inf),
        )

    def __call__(self, columns: np.ndarray) -> np.ndarray:
        finite = np.where(np.isnan(columns) | np.isneginf(columns), self.low, columns)
        finite = np.where(np.isposinf(finite), self.high, finite)
        return (np.arcsinh(finite / self.unit) - self.middle) / self.spread


def _numbers(networks: Sequence[Network], scores: np.ndarray | None) -> list[np.ndarray]:
    """Return the groups of features that are numbers: costs, and scores if there are any."""
    costs = np.array([network.costs for network in networks], dtype=float).reshape(len(networks), -1)
    return [columns for columns in (costs, scores) if columns is not None and columns.shape[1]]


def _groups(
    parameters: Mapping[str, tuple[Any, ...]],
    scales: Sequence[_Scale],
    networks: Sequence[Network],
    scores: np.ndarray | None,
) -> list[np.ndarray]:
    numbers = zip(scales, _numbers(networks, scores), strict=True)
    choices = encode_choices(parameters, [network.params for network in networks])
    return [choices, *(scale(columns) for scale, columns in numbers)]
