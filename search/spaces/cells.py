"""The space of cells: one small graph of operations, repeated; NAS-Bench-201 (arXiv:2001.00326) is such a space."""

import re
from typing import Annotated, Any, Literal

from pydantic import Field

from search.spaces.base import Choices, Params, SearchSpace, SpaceError
from zoo import ArchSpec, BlockSpec, HeadSpec
from zoo.blocks.nasbench201 import BEST, EDGES, Operation

_CELL, _RESIDUAL = "nasbench201", "nasbench201_residual"
_HEAD = HeadSpec(options={"norm": True, "norm_act": "relu"})
_EDGE_NAMES = tuple(f"edge_{source}_{target}" for source, target in EDGES)
_OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
_ARCH_STR = re.compile(r"\|(\w+)~0\|\+\|(\w+)~0\|(\w+)~1\|\+\|(\w+)~0\|(\w+)~1\|(\w+)~2\|")


class CellSpace(SearchSpace):
    """3x3 stem, then three times `cells` equal cells, of width, 2 x width and 4 x width, a residual block between.

    Parameter `edge_0_2` is the operation from node 0, the cell's input, to node 2; node 3 is its output.

    Attributes:
        operations: on the edges of the cell.
        widths: channels of the stem and the first cells.
        cells: how many there are in a row.
    """

    type: Literal["cells"] = "cells"
    operations: Choices[Operation] = _OPERATIONS
    widths: Choices[Annotated[int, Field(strict=True, ge=2, le=1024)]] = (16,)
    cells: Choices[Annotated[int, Field(strict=True, ge=1, le=64)]] = (5,)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of block that its networks have."""
        return ("conv", _CELL, _RESIDUAL)

    def parameters(self) -> dict[str, tuple[Any, ...]]:
        """Return every choice of the space by name."""
        edges = dict.fromkeys(_EDGE_NAMES, self.operations)
        return {"resolution": self.resolutions, "width": self.widths, "cells": self.cells, **edges}

    def decode(self, params: Params) -> ArchSpec:
        """Return the network of one value for each parameter (paper, figure 1)."""
        width, options = params["width"], {"operations": tuple(params[name] for name in _EDGE_NAMES)}
        blocks = [BlockSpec(kind="conv", out_chans=width, options={"act": "none"})]
        for stage in range(3):
            if stage:
                width *= 2
                blocks.append(BlockSpec(kind=_RESIDUAL, out_chans=width, stride=2))
            blocks += [BlockSpec(kind=_CELL, out_chans=width, options=options)] * params["cells"]
        return ArchSpec(resolution=params["resolution"], blocks=tuple(blocks), head=_HEAD, init="pytorch")

    def encode(self, spec: ArchSpec) -> dict[str, Any]:
        """Return the choices that `decode` to `spec`; raises SpaceError, saying what does not fit."""
        kinds = [block.kind for block in spec.blocks]
        if _CELL not in kinds or _RESIDUAL not in kinds:
            raise self._misfit(f"it has no {_CELL if _CELL not in kinds else _RESIDUAL} block")
        operations = dict(spec.blocks[kinds.index(_CELL)].options).get("operations", BEST)
        params: dict[str, Any] = {
            "resolution": spec.resolution,
            "width": spec.blocks[0].out_chans,
            "cells": kinds.index(_RESIDUAL) - 1,
            **dict(zip(_EDGE_NAMES, operations, strict=True)),
        }
        for name, choices in self.parameters().items():
            if params[name] not in choices:
                raise self._misfit(f"{params[name]} is not a choice of {name}")
        made = self.decode(params)
        for index, (expected, block) in enumerate(zip(made.blocks, spec.blocks, strict=False)):
            if expected != block:
                raise self._misfit(f"blocks[{index}]: not the {expected.kind} of {expected.out_chans} channels there")
        if made.digest != spec.digest:
            raise self._misfit("it has another number of blocks, head, norm, padding or init")
        return params

    def from_arch_str(self, text: str) -> dict[str, Any]:
        """Return the choices of a cell in the benchmark's notation, the first ones of all that is not in it.

        >>> from search.spaces import SPACES
        >>> cell = "|skip_connect~0|+|none~0|nor_conv_1x1~1|+|none~0|none~1|avg_pool_3x3~2|"
        >>> SPACES.get("nasbench201").from_arch_str(cell)["edge_1_2"]
        'nor_conv_1x1'
        """
        found = _ARCH_STR.fullmatch(text)
        if not found:
            raise SpaceError(f"{text[:100]!r} is no cell; one reads |op~0|+|op~0|op~1|+|op~0|op~1|op~2|")
        params = {name: choices[0] for name, choices in self.parameters().items()}
        for name, operation in zip(_EDGE_NAMES, found.groups(), strict=True):
            if operation not in self.operations:
                raise SpaceError(f"{operation[:60]!r} is no operation of space {self.name!r}: {self.operations}")
            params[name] = operation
        return params

    def to_arch_str(self, params: Params) -> str:
        """Return the cell of `params` in the benchmark's notation."""
        nodes = [
            "".join(f"|{params[f'edge_{source}_{node}']}~{source}" for source in range(node)) + "|"
            for node in range(1, 4)
        ]
        return "+".join(nodes)
