"""Networks whose accuracy after training is known, as spaces that a sampler can search in no time."""

import csv
import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ConfigDict

from search import SPACES
from search.samplers import SamplerContext
from search.spaces import SearchSpace
from search.spaces.base import Params
from zoo import SpecError

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
_KNOWN_BEFORE = ("params_m", "flops_m")  # columns of the cells that are no training-free scores
SCORE_PREFIX = "score_"  # of a table's columns that are


@dataclass(frozen=True)
class Member:
    """Stands for a network: all that a sampler asks of one."""

    digest: str


class PoolSpace(SearchSpace):
    """The combinations of choices that a pool holds; whatever else is drawn becomes the nearest of them."""

    model_config = ConfigDict(ignored_types=(cached_property,))

    choices: dict[str, tuple[Any, ...]]
    members: tuple[tuple[Any, ...], ...]

    def parameters(self) -> dict[str, tuple[Any, ...]]:
        """Return every choice by name."""
        return self.choices

    @cached_property
    def _codes(self) -> np.ndarray:
        return np.array([self._code(dict(zip(self.choices, values, strict=True))) for values in self.members])

    @cached_property
    def _index(self) -> dict[tuple[Any, ...], int]:
        return {values: index for index, values in enumerate(self.members)}

    def _code(self, params: Params) -> list[int]:
        return [values.index(params[name]) for name, values in self.choices.items()]

    def member(self, index: int) -> dict[str, Any]:
        """Return the choices of a member by its number."""
        return dict(zip(self.choices, self.members[index], strict=True))

    def index(self, params: Params) -> int:
        """Return the number of a member; raises SpecError where the pool has none such."""
        found = self._index.get(tuple(params[name] for name in self.choices))
        if found is None:
            raise SpecError("not in the pool")
        return found

    def decode(self, params: Params) -> Any:
        """Return what stands for the network of `params`."""
        return Member(str(self.index(params)))

    def nearest(self, params: Params, rng: random.Random, without: Sequence[int] = ()) -> int:
        """Return the number of the member that differs from `params` in the fewest choices, a random one of equals."""
        distances = np.sum(self._codes != self._code(params), axis=1)
        distances[list(without)] = len(self.choices) + 1
        return rng.choice(np.flatnonzero(distances == distances.min()).tolist())

    def sample_params(self, rng: random.Random) -> dict[str, Any]:
        """Return a random member."""
        return self.member(rng.randrange(len(self.members)))

    def mutate(self, params: Params, rng: random.Random, changes: int = 1) -> dict[str, Any]:
        """Return another member near `params` with up to `changes` choices drawn anew."""
        names = rng.sample([name for name, values in self.choices.items() if len(values) > 1], changes)
        drawn = dict(params) | {n: rng.choice([v for v in self.choices[n] if v != params[n]]) for n in names}
        return self.member(self.nearest(drawn, rng, [self.index(params)]))

    def crossover(self, first: Params, second: Params, rng: random.Random) -> dict[str, Any]:
        """Return the member nearest to a random mixture of two."""
        return self.member(self.nearest({name: rng.choice((first, second))[name] for name in self.choices}, rng))


@dataclass(frozen=True)
class Pool:
    """Networks with all that can be known of them.

    Attributes:
        accuracy: after training, 0..1 (n,).
        cost: what the search minimises (n,), called `unit`.
        hints: parameters and multiply-adds (n, 2).
        scores: training-free scores (n,) by name.
    """

    space: PoolSpace
    unit: str
    accuracy: np.ndarray
    cost: np.ndarray
    hints: np.ndarray
    scores: dict[str, np.ndarray]

    @property
    def reference(self) -> float:
        """A little above the highest cost, so that the costliest network counts, too."""
        return float(self.cost.max() * 1.01)

    def context(self, *, with_scores: bool) -> SamplerContext:
        """Return what a sampler is told of the pool before any training."""

        def costs(params: Params) -> tuple[float, ...] | None:
            try:
                index = self.space.index(params)
            except SpecError:
                return None
            return (float(self.cost[index]), *(float(hint) for hint in self.hints[index]))

        def scores(params: Params) -> Mapping[str, float]:
            return {name: float(column[self.space.index(params)]) for name, column in self.scores.items()}

        return SamplerContext(self.space, costs, scores if with_scores and self.scores else None, (self.reference,))


def cells_pool(path: Path, latency: Path | None = None) -> Pool:
    """Return the NAS-Bench-201 cells of a CSV file with accuracies, each node's operations being the choices.

    Args:
        latency: milliseconds by the string of the cell, as `scripts/measure_cells.py` writes them; without it the
            parameters are the cost.
    """
    with path.open() as file:
        rows = list(csv.DictReader(file))
    measured = json.loads(latency.read_text()) if latency else None
    if measured is not None:
        rows = [row for row in rows if row["arch_str"] in measured]
    members = tuple(tuple(re.findall(r"(\w+)~\d", row["arch_str"])) for row in rows)
    names = [f"edge{start}{end}" for end in range(1, 4) for start in range(end)]
    scores = [name for name in rows[0] if name not in ("arch_str", "val_accuracy", *_KNOWN_BEFORE)]
    hints = _columns(rows, _KNOWN_BEFORE)
    return Pool(
        PoolSpace(name="cells", resolutions=(32,), choices=dict.fromkeys(names, OPERATIONS), members=members),
        "ms" if measured else "million parameters",
        _columns(rows, ["val_accuracy"])[:, 0] / 100,
        np.array([measured[row["arch_str"]] for row in rows]) if measured else hints[:, 0],
        hints,
        dict(zip(scores, _columns(rows, scores).T, strict=True)),
    )


def table_pool(path: Path, space: SearchSpace | None = None) -> Pool:
    """Return the networks that `scripts/train_tabular.py` trained; the cost is their predicted latency."""
    choices = (space or SPACES.get("tiny")).parameters()
    with path.open() as file:
        rows = [row for row in csv.DictReader(file) if row["accuracy"]]  # none where the training failed
    by_text = {name: {str(value): value for value in values} for name, values in choices.items()}
    members = [tuple(by_text[name][row[name]] for name in choices) for row in rows]
    scores = [name for name in rows[0] if name.startswith(SCORE_PREFIX)]
    return Pool(
        PoolSpace(name="table", resolutions=(32,), choices=choices, members=tuple(members)),
        "ms",
        _columns(rows, ["accuracy"])[:, 0],
        _columns(rows, ["predicted_ms"])[:, 0],
        _columns(rows, ["params", "macs"]),
        dict(zip(scores, _columns(rows, scores).T, strict=True)),
    )


def _columns(rows: Sequence[Mapping[str, str]], names: Sequence[str]) -> np.ndarray:
    return np.array([[float(row[name] or "nan") for name in names] for row in rows]).reshape(len(rows), len(names))
