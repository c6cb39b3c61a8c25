"""Measure the 724 NAS-Bench-201 cells of a CSV file as whole networks for CIFAR-10, with onnxruntime in fp32.

usage: python scripts/measure_cells.py nasbench201_cifar10_724.csv --out cells_ms.json

Writes what `scripts/bench_search_trials.py --latency` reads: milliseconds by the string of the cell. Each network is
timed in turns with others and with the reference network, and counts by its ratio to that one, so that batches agree.
A stopped run goes on where it was. Takes about half an hour; leave the machine alone meanwhile.
"""

import argparse
import contextlib
import csv
import json
import multiprocessing
import re
import statistics
import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn

from latency_tables.bench import Bench
from latency_tables.errors import MeasurementError
from latency_tables.measurement import summarize, time_in_turns
from latency_tables.runtimes import get_runtime, random_images
from zoo.files import write_atomic

RUNTIME, DTYPE = "onnxruntime", "fp32"
_SHAPE = (1, 3, 32, 32)
_WIDTHS, _CELLS = (16, 32, 64), 5


def edges(cell: str) -> list[list[tuple[str, int]]]:
    """Return for each node of `|op~0|+|op~0|op~1|+...` the operations on its edges and where these begin."""
    return [[(op, int(source)) for op, source in re.findall(r"(\w+)~(\d)", node)] for node in cell.split("+")]


def _relu_conv_norm(in_chans: int, out_chans: int, kernel: int, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(in_chans, out_chans, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(nn.ReLU(), conv, nn.BatchNorm2d(out_chans))


def _operation(name: str, chans: int) -> nn.Module:
    if name == "skip_connect":
        return nn.Identity()
    if name == "avg_pool_3x3":
        return nn.AvgPool2d(3, 1, 1, count_include_pad=False)
    return _relu_conv_norm(chans, chans, {"nor_conv_1x1": 1, "nor_conv_3x3": 3}[name])


class Cell(nn.Module):
    """The cell of NAS-Bench-201 (arXiv:2001.00326, figure 1): each node adds up operations on those before."""

    def __init__(self, cell: str, chans: int) -> None:
        super().__init__()
        self.nodes = nn.ModuleList()
        self.sources: list[list[int]] = []
        for node in edges(cell):
            kept = [(op, source) for op, source in node if op != "none"]
            self.nodes.append(nn.ModuleList([_operation(op, chans) for op, _ in kept]))
            self.sources.append([source for _, source in kept])

    def forward(self, x: Tensor) -> Tensor:
        states = [x]
        for operations, sources in zip(self.nodes, self.sources, strict=True):
            terms = [op(states[source]) for op, source in zip(operations, sources, strict=True)]
            states.append(sum(terms) if terms else x * 0)
        return states[-1]


class Reduction(nn.Module):
    """The residual block between the stages: half the resolution, twice the channels."""

    def __init__(self, in_chans: int, out_chans: int) -> None:
        super().__init__()
        self.conv_a = _relu_conv_norm(in_chans, out_chans, 3, 2)
        self.conv_b = _relu_conv_norm(out_chans, out_chans, 3)
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(in_chans, out_chans, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv_b(self.conv_a(x)) + self.shortcut(x)


def build(cell: str, num_classes: int = 10) -> nn.Module:
    """Return the network of NAS-Bench-201 made of `cell`: (N, 3, H, W) -> (N, num_classes)."""
    layers: list[nn.Module] = [nn.Conv2d(3, _WIDTHS[0], 3, padding=1, bias=False), nn.BatchNorm2d(_WIDTHS[0])]
    for index, width in enumerate(_WIDTHS):
        if index:
            layers.append(Reduction(_WIDTHS[index - 1], width))
        layers += [Cell(cell, width) for _ in range(_CELLS)]
    layers += [nn.BatchNorm2d(_WIDTHS[-1]), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(_WIDTHS[-1], num_classes))


def export(cell: str, folder: Path) -> Path:
    """Write the model file of `cell` into an empty folder and return it."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    images = random_images(_SHAPE)
    return get_runtime(RUNTIME, DTYPE).export(build(cell).eval(), _SHAPE, folder, dtype=DTYPE, calibration=images)


def measure(cells: list[str], seconds_each: float) -> dict[str, tuple[float, float] | None]:
    """Return cost and reference milliseconds of each cell, timed side by side; None where the runtime failed."""
    with tempfile.TemporaryDirectory() as base, Bench(RUNTIME, DTYPE, threads=1) as bench:
        folders = [Path(base, str(index)) for index in range(len(cells))]
        for folder in folders:
            folder.mkdir()
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            paths = pool.starmap(export, zip(cells, folders, strict=True), chunksize=1)
        loaded = []
        for cell, path in zip(cells, paths, strict=True):
            with contextlib.suppress(MeasurementError):
                bench.add_exported(cell, path, _SHAPE)
                loaded.append(cell)
        timed = time_in_turns(bench, loaded, seconds_each=seconds_each)
    summaries = {cell: summarize(samples) for cell, samples in timed.items()}
    return dict.fromkeys(cells) | {cell: (one.cost, one.reference_ms) for cell, one in summaries.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure NAS-Bench-201 cells.")
    parser.add_argument("csv", type=Path, help="with a column arch_str")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--batch", type=int, default=60, help="networks timed side by side")
    parser.add_argument("--seconds-each", type=float, default=1.0)
    parser.add_argument("--only", type=int, help="measure the first so many cells only")
    args = parser.parse_args()
    with args.csv.open() as file:
        cells = [row["arch_str"] for row in csv.DictReader(file)][: args.only]
    progress = args.out.with_suffix(".progress")
    done = json.loads(progress.read_text()) if progress.exists() else {}
    while waiting := [cell for cell in cells if cell not in done][: args.batch]:
        done |= measure(waiting, args.seconds_each)
        write_atomic(progress, json.dumps(done))
        print(f"{len(done)}/{len(cells)}", flush=True)
    measured = {cell: one for cell, one in done.items() if one}
    print(f"{len(measured)} of {len(done)} cells measured")
    unit = statistics.median(reference_ms for _, reference_ms in measured.values())
    write_atomic(args.out, json.dumps({cell: cost * unit for cell, (cost, _) in measured.items()}, indent=0))
    progress.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
