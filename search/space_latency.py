"""Predicted latencies of a space's networks by the thousand: each stage is decoded and looked up once."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from latency_tables import LatencyTable
from latency_tables.cost import NOTHING
from latency_tables.kernels import Part, Shape
from search.spaces import Space
from zoo import BlockSpec, SpecError
from zoo.block_spec import deployed_block
from zoo.shapes import output_shape

_Key = tuple[Any, ...]


class _Piece(NamedTuple):
    value: float
    out_shape: Shape


class SpaceLatency:
    """The latencies that `table` predicts for sets of choices of `space`."""

    def __init__(self, space: Space, table: LatencyTable) -> None:
        self._space, self._table = space, table
        self._stage_names = [
            [name for name in space.parameters() if name.startswith(f"stage{index}_")]
            for index in range(len(space.stages))
        ]
        self._last_act = f"stage{len(space.stages) - 1}_act"
        self._pieces: dict[_Key, _Piece | None] = {}

    def ms(self, params: dict[str, Any]) -> float:
        """Return the predicted latency of one set of choices; infinite where they make no network."""
        size = params["resolution"]
        total, shape = self._table.constant_cost.value, (self._table.in_chans, size, size)
        key: _Key = ("stem", size, shape, params["stem_width"], params["stage0_act"])
        for index in range(-1, len(self._stage_names) + 1):
            if index == len(self._stage_names):
                key = ("last", size, shape, params["head_width"], params[self._last_act])
            elif index >= 0:
                key = (index, size, shape, *[params[name] for name in self._stage_names[index]])
            piece = self._pieces[key] if key in self._pieces else self._look_up(key, index, shape, params)
            if piece is None:
                return math.inf
            total += piece.value
            shape = piece.out_shape
        return total * self._table.reference_ms

    def many(self, candidates: Iterable[dict[str, Any]]) -> np.ndarray:
        """Return the predicted latencies of many sets of choices, in milliseconds."""
        return np.fromiter((self.ms(params) for params in candidates), dtype=np.float64)

    def _look_up(self, key: _Key, index: int, shape: Shape, params: dict[str, Any]) -> _Piece | None:
        try:
            blocks, last = self._blocks(index, params), index == len(self._stage_names)
            image = (self._table.in_chans, params["resolution"], params["resolution"])
            self._pieces[key] = self._measure(blocks, shape, image, with_head=last)
        except SpecError:
            self._pieces[key] = None
        return self._pieces[key]

    def _blocks(self, index: int, params: dict[str, Any]) -> Sequence[BlockSpec]:
        if index < 0:
            return [self._space.stem_block(params)]
        if index == len(self._stage_names):
            return [self._space.last_block(params)]
        return self._space.stage_blocks(index, params)

    def _measure(self, blocks: Sequence[BlockSpec], shape: Shape, image: Shape, *, with_head: bool) -> _Piece:
        cost = NOTHING
        for block in blocks:
            block = deployed_block(block)
            out_shape = output_shape(block, shape, image)
            cost += self._table.part_cost(Part(block, shape, image_shape=image if block.takes_image else None))
            shape = out_shape
        if with_head:
            cost += self._table.part_cost(Part(self._space.head, shape, num_classes=self._table.num_classes))
        return _Piece(cost.value, shape)
