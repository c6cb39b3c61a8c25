"""A network block by block and stage by stage: shapes, parameters, multiply-adds."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from zoo.complexity import macs_by_module
from zoo.network import Network
from zoo.spec import ArchSpec


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
