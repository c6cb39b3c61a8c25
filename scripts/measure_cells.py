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
import statistics
import tempfile
from pathlib import Path

import torch

from latency_tables.bench import Bench
from latency_tables.errors import MeasurementError
from latency_tables.measurement import summarize, time_in_turns
from latency_tables.runtimes import get_runtime, random_images
from search import SPACES
from zoo.files import write_atomic

RUNTIME, DTYPE = "onnxruntime", "fp32"
_SHAPE = (1, 3, 32, 32)


def export(cell: str, folder: Path) -> Path:
    """Write the model file of `cell` into an empty folder and return it."""
    torch.set_num_threads(1)
    space = SPACES.get("nasbench201")
    network = space.decode(space.from_arch_str(cell)).build(10, 3, seed=0).eval()
    images = random_images(_SHAPE)
    return get_runtime(RUNTIME, DTYPE).export(network, _SHAPE, folder, dtype=DTYPE, calibration=images)


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
