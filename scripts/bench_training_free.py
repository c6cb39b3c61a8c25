"""Compare the training-free scores with the accuracies of trained NAS-Bench-201 cells. Prints a Markdown table.

usage: python $EDGEZOO_DATA/unpack_cifar10.py build/cifar --per-class 100
       python scripts/bench_training_free.py --data folder:build/cifar --out build/bench

Reads nasbench201_cifar10_724.csv in the folder that EDGEZOO_DATA names: cells, their accuracies and NASLib's own
values of the scores. Writes OUT/training_free.csv cell by cell and goes on where it stopped.
"""

import argparse
import csv
import os
import random
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from pathlib import Path

import pandas as pd
import torch
from scipy.stats import spearmanr

from search import SPACES
from search.scores.training_free import COMBINED, PROXIES, combine, training_free_scores
from zoo.data import Splits, load_data

_NASLIB = {"params": "params_m", "macs": "flops_m"}  # other columns have our names


def main() -> None:
    """Compute what is not there yet, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="images, a name for zoo.data.load_data")
    parser.add_argument("--cells", type=int, help="only so many, drawn at random; all by default")
    parser.add_argument("--scores", nargs="+", default=PROXIES.names(), help="only these; all by default")
    parser.add_argument("--batch-size", type=int, default=64, help="images that each score sees")
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread each")
    parser.add_argument("--minutes", type=float, default=1e6, help="stop after so long")
    parser.add_argument("--out", type=Path, required=True, help="folder of training_free.csv")
    args = parser.parse_args()
    published = pd.read_csv(Path(os.environ["EDGEZOO_DATA"]) / "nasbench201_cifar10_724.csv")
    # a random order: whenever it stops, the cells that are done are a fair sample
    cells = random.Random(0).sample(list(published.arch_str), len(published))[: args.cells]
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "training_free.csv"
    if not path.is_file():
        path.write_text("arch_str,score,value,seconds\n")
    before = pd.read_csv(path)
    done = set(zip(before.arch_str, before.score, strict=True))
    missing = {cell: [name for name in args.scores if (cell, name) not in done] for cell in cells}
    deadline = time.monotonic() + 60 * args.minutes
    with ProcessPoolExecutor(args.workers) as pool, path.open("a", newline="") as file:
        tasks = [
            pool.submit(_rows, cell, names, args.data, args.batch_size, deadline)
            for cell, names in missing.items()
            if names
        ]
        for task in as_completed(tasks):
            csv.writer(file).writerows(task.result())
            file.flush()
    ours = pd.read_csv(path)
    _print_table(ours[ours.arch_str.isin(cells)], published.set_index("arch_str"))


def _rows(cell: str, names: Sequence[str], data: str, batch_size: int, deadline: float) -> list[tuple]:
    """Return a row for each of the scores called `names` of one cell; none when the time is over."""
    if time.monotonic() > deadline:
        return []
    torch.set_num_threads(1)
    splits, space = _load(data), SPACES.get("nasbench201")
    network = space.decode(space.from_arch_str(cell)).build(splits.num_classes, splits.in_chans, seed=0)
    rows = []
    for name in names:
        started = time.perf_counter()
        value = training_free_scores(network, splits, names=[name], batch_size=batch_size)[name]
        rows.append((cell, name, value, round(time.perf_counter() - started, 3)))
    return rows


@cache
def _load(data: str) -> Splits:
    return load_data(data)


def _print_table(ours: pd.DataFrame, published: pd.DataFrame) -> None:
    values = ours.pivot(index="arch_str", columns="score", values="value")
    seconds = ours.groupby("score").seconds.mean()
    print("| score | cells | Spearman | NASLib's | seconds a network |\n|---|---|---|---|---|")
    for name in values:
        cells = published.loc[ours[ours.score == name].arch_str]
        column = _NASLIB.get(name, name)
        theirs = f"{spearmanr(cells[column], cells.val_accuracy)[0]:.3f}" if column in cells else ""
        rho = spearmanr(combine(values.loc[cells.index], [name]), cells.val_accuracy)[0]
        print(f"| `{name}` | {len(cells)} | {rho:.3f} | {theirs} | {seconds[name]:.2f} |")
    if set(COMBINED) <= set(values):
        scored = {name: set(ours[ours.score == name].arch_str) for name in COMBINED}
        cells = published.loc[sorted(set.intersection(*scored.values()))]
        rho = spearmanr(combine(values.loc[cells.index]), cells.val_accuracy)[0]
        together = " + ".join(f"`{name}`" for name in COMBINED)
        print(f"| {together} | {len(cells)} | {rho:.3f} | | {seconds[list(COMBINED)].sum():.2f} |")


if __name__ == "__main__":
    main()
