"""How much faster two workers score candidates than one. Prints a Markdown table.

usage: python scripts/bench_workers.py --data digits --trials 40 --out build/workers

The same search, with the sampler `random` and one seed, by one worker in this process and by two Ray workers, in turns
on new studies; the warm rate leaves out the first quarter of the trials, in which processes start and import. Leave the
machine alone meanwhile.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import optuna
import torch

from latency_tables import load_table
from search import run_search
from search.storage import open_study

BUDGET_MS = 0.4


def rates(data: str, table: str, folder: Path, trials: int, epochs: int, workers: int) -> tuple[float, float]:
    """Return candidates a minute of one search, all told and once it is warm."""
    started = time.monotonic()
    run_search(
        "tiny", data, load_table(table), BUDGET_MS,
        trials=trials, storage=folder, workers=workers, epochs=epochs, sampler="random",
    )  # fmt: skip
    seconds = time.monotonic() - started
    scored = open_study(folder).get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    ends = sorted(trial.datetime_complete for trial in scored if trial.datetime_complete)
    skipped = trials // 4
    warm = (len(ends) - 1 - skipped) / (ends[-1] - ends[skipped]).total_seconds()
    return 60 * trials / seconds, 60 * warm


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare two workers with one.")
    parser.add_argument("--data", default="digits")
    parser.add_argument("--table", default="onnxruntime-fp32", help="latency table, shipped or a file")
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("build/workers"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)  # as a Ray worker has: one core beside two
    found: dict[int, list[tuple[float, float]]] = {1: [], 2: []}
    for _ in range(args.rounds):
        for workers in found:
            folder = Path(tempfile.mkdtemp(dir=args.out))
            found[workers].append(rates(args.data, args.table, folder, args.trials, args.epochs, workers))
            print(
                f"{workers} workers: {found[workers][-1][0]:.1f} a minute, warm {found[workers][-1][1]:.1f}", flush=True
            )
    print("| workers | candidates a minute | once warm |\n|---|---|---|")
    medians = {n: [statistics.median(column) for column in zip(*rows, strict=True)] for n, rows in found.items()}
    for workers, (whole, warm) in medians.items():
        print(f"| {workers} | {whole:.1f} | {warm:.1f} |")
    print(f"| ratio | {medians[2][0] / medians[1][0]:.2f} | {medians[2][1] / medians[1][1]:.2f} |")


if __name__ == "__main__":
    main()
