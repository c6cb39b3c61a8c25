"""A network block by block and stage by stage: shapes, parameters, multiply-adds; and in one line."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from zoo.block_spec import BlockSpec
from zoo.counting import macs_by_module
from zoo.network import Network
from zoo.spec import ArchSpec

_SHORT = {"kernel": "k", "expand": "e", "se_ratio": "se", "groups": "g", "act": ""}


@dataclass(frozen=True)
class Part:
    """One block, one stage or the head of a network.

    Attributes:
        stage: number of the stage, the blocks of one resolution, counted from 1.
        name: kind of a block, or the kinds of a stage.
        out_shape: (C, H, W) of its output; (classes,) of the head.
    """

    stage: int
    name: str
    out_shape: tuple[int, ...]
    params: int
    macs: int


def summarize(spec: ArchSpec, num_classes: int = 1000, in_chans: int = 3) -> tuple[list[Part], Part]:
    """Return every block and the head of a network at its own resolution; nothing is computed."""
    with torch.device("meta"):
        network = Network(spec, num_classes, in_chans)
    macs = macs_by_module(network, (in_chans, spec.resolution, spec.resolution))
    blocks, stage = [], 1
    for index, (block, module, shape) in enumerate(zip(spec.blocks, network.blocks, spec.shapes, strict=True)):
        stage += block.stride > 1 and index > 0
        params = sum(p.numel() for p in module.parameters())
        blocks.append(Part(stage, block.kind, shape, params, macs.get(f"blocks.{index}", 0)))
    params = sum(p.numel() for p in network.head.parameters())
    return blocks, Part(stage + 1, spec.head.kind, (num_classes,), params, macs.get("head", 0))


def stages(parts: Iterable[Part]) -> list[Part]:
    """Return the sums of the blocks of each stage, named by their kinds and how many of each there are."""
    by_stage: dict[int, list[Part]] = {}
    for part in parts:
        by_stage.setdefault(part.stage, []).append(part)
    return [_sum(members) for members in by_stage.values()]


def _sum(parts: list[Part]) -> Part:
    names = [part.name for part in parts]
    title = ", ".join(f"{names.count(name)} {name}" for name in dict.fromkeys(names))
    last = parts[-1]
    return Part(last.stage, title, last.out_shape, sum(p.params for p in parts), sum(p.macs for p in parts))


def notation(spec: ArchSpec) -> str:
    """Return a network in one line; a bar is where the resolution halves (`|4`: a quarter), `x2` two alike in a row.

    >>> fire = {"kind": "fire", "out_chans": 64}
    >>> notation(ArchSpec(resolution=32, blocks=({"kind": "conv", "out_chans": 16}, fire | {"stride": 2}, fire)))
    '32px conv16 | fire64x2'

    Options that searches do not choose are left out: two networks may read alike, their digests tell them apart.
    """
    runs: list[tuple[BlockSpec, int]] = []
    for block in spec.blocks:
        first, count = runs[-1] if runs else (None, 0)
        if first and block.stride == 1 and first.model_copy(update={"stride": 1}) == block:
            runs[-1] = (first, count + 1)
        else:
            runs.append((block, 1))
    text = f"{spec.resolution}px"
    for index, (block, count) in enumerate(runs):
        bar = " |" if block.stride > 1 else "," if index > 0 else ""
        factor = str(block.stride) if block.stride > 2 else ""
        text += f"{bar}{factor} {block_notation(block, count)}"
    return text + (f", {spec.head.kind}" if spec.head.kind != "linear" else "")


def block_notation(block: BlockSpec, count: int = 1) -> str:
    """Return `ghost48x2 k5`: kind, channels, how many, and the options that searches choose; `shuffle_v2-48`."""
    dash = "-" if block.kind[-1].isdigit() else ""
    times = f"x{count}" if count > 1 else ""
    options = (f"{_SHORT[name]}{value}".removesuffix(".0") for name, value in block.options if name in _SHORT)
    return " ".join((f"{block.kind}{dash}{block.out_chans}{times}", *options))
