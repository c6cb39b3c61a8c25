"""Predicted latencies of a space's networks by the thousand: what they share is looked up once."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from latency_tables import LatencyTable
from latency_tables.cost import NOTHING
from latency_tables.kernels import Part, Shape
from search.spaces import SearchSpace, Space
from zoo import BlockSpec, SpecError
from zoo.block_spec import deployed_block, deployed_head
from zoo.shapes import output_shape

_Key = tuple[Any, ...]


class _Piece(NamedTuple):
    value: float
    weights: int
    out_shape: Shape


class SpaceLatency:
    """The latencies that `table` predicts for sets of choices of `space`.

    In a staged space each stage is decoded and looked up once, in any other each network.
    """

    def __init__(self, space: SearchSpace, table: LatencyTable) -> None:
        self._table = table
        self._predictor = _Staged(space, table) if isinstance(space, Space) else _Whole(space, table)

    def ms(self, params: dict[str, Any]) -> float:
        """Return the predicted latency of one set of choices; infinite where they make no network."""
        return self._predictor.ms(params)

    def many(self, candidates: Iterable[dict[str, Any]]) -> np.ndarray:
        """Return the predicted latencies of many sets of choices, in milliseconds."""
        return np.fromiter((self.ms(params) for params in candidates), dtype=np.float64)


class _Whole:
    """Predictions of whole networks, each made once."""

    def __init__(self, space: SearchSpace, table: LatencyTable) -> None:
        self._space, self._table = space, table
        self._known: dict[str, float] = {}

    def ms(self, params: dict[str, Any]) -> float:
        try:
            spec = self._space.decode(params)
            if spec.digest not in self._known:
                self._known[spec.digest] = self._table.predict_any(spec).ms
        except SpecError:
            return math.inf
        return self._known[spec.digest]


class _Staged:
    """Predictions put together from the stem, the stages and the last block with the head."""

    def __init__(self, space: Space, table: LatencyTable) -> None:
        self._space, self._table, self._head = space, table, deployed_head(space.head)
        self._same_padding = space.padding == "same"
        self._last = len(space.stages)
        self._names: dict[tuple[int, int], tuple[str, ...]] = {}
        self._pieces: dict[_Key, _Piece | None] = {}

    def ms(self, params: dict[str, Any]) -> float:
        size = params["resolution"]
        total, weights, shape = 0.0, 0, (self._table.in_chans, size, size)
        for index in range(-1, self._last + 1):
            key = (index, size, shape, *self._deciding(index, params))
            piece = self._pieces[key] if key in self._pieces else self._look_up(key, index, shape, params)
            if piece is None:
                return math.inf
            total += piece.value
            weights += piece.weights
            shape = piece.out_shape
        return (total + self._table.beside_parts(weights)) * self._table.reference_ms

    def _deciding(self, index: int, params: dict[str, Any]) -> list[Any]:
        """Return the values that decide one piece: the stem (-1), a stage, or what comes last."""
        if index < 0:
            return [params["stem_width"], self._space.stem_act or params["stage0_act"]]
        if index == self._last:
            return [params["head_width"], self._space.last_act or params[f"stage{index - 1}_act"]]
        prefix = f"stage{index}_"
        place = index, params[prefix + "depth"]
        if place not in self._names:  # choices for blocks beyond the depth decide nothing
            self._names[place] = tuple(self._space.stages[index].parameters(prefix, place[1]))
        return [params[name] for name in self._names[place]]

    def _look_up(self, key: _Key, index: int, shape: Shape, params: dict[str, Any]) -> _Piece | None:
        try:
            image = (self._table.in_chans, params["resolution"], params["resolution"])
            self._pieces[key] = self._measure(self._blocks(index, params), shape, image, with_head=index == self._last)
        except SpecError:
            self._pieces[key] = None
        return self._pieces[key]

    def _blocks(self, index: int, params: dict[str, Any]) -> Sequence[BlockSpec]:
        if index < 0:
            return self._space.stem_blocks(params)
        if index == self._last:
            return [self._space.last_block(params)]
        return self._space.stage_blocks(index, params)

    def _measure(self, blocks: Sequence[BlockSpec], shape: Shape, image: Shape, *, with_head: bool) -> _Piece:
        cost = NOTHING
        for block in blocks:
            block = deployed_block(block)
            out_shape = output_shape(block, shape, image, self._same_padding)
            seen = image if block.takes_image else None
            cost += self._table.part_cost(Part(block, shape, self._same_padding, seen))
            shape = out_shape
        if with_head:
            cost += self._table.part_cost(Part(self._head, shape, num_classes=self._table.num_classes))
        return _Piece(cost.value, cost.weights, shape)
