"""How many trainings each sampler needs to find the front of a pool of networks whose accuracies are known.

    python scripts/bench_search_trials.py --cells nasbench201_cifar10_724.csv --latency cells_ms.json --out build/bench
    python scripts/bench_search_trials.py --table tabular.csv --out build/bench

Nothing is trained. Every sampler proposes through Optuna's ask and tell, with the same categorical parameters; a
proposal becomes the nearest network of the pool that it has not evaluated yet (fewest choices that differ, ties at
random), and that one is what the sampler is told of. So no sampler pays for a repeat or for a network that is not
there. Costs, parameters and multiply-adds are known before training and given to those samplers that can use them;
training-free scores to `front` alone. Runs are kept line by line in OUT: a stopped benchmark goes on where it was.

Hypervolume is that of accuracy above chance, up to the cost of the slowest network, as a share of the whole pool's.
"""

import argparse
import contextlib
import json
import multiprocessing
import random
import time
import warnings
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import optuna
from search_pools import Pool, cells_pool, table_pool

from search.hypervolume import hypervolume
from search.samplers import SAMPLERS

WITHOUT_SCORES = "front without scores"
SAMPLER_NAMES = ("front", WITHOUT_SCORES, "random", "nsga2", "tpe", "gp", "evolution")
OURS = ("front", WITHOUT_SCORES)
CHANCE = 0.1  # both pools have ten classes
TARGETS = (0.99, 0.995)  # of the hypervolume
BUDGETS = (0.25, 0.5, 0.75)  # quantiles of the cost


class Job(NamedTuple):
    """One search."""

    cells: Path | None
    latency: Path | None
    table: Path | None
    sampler: str
    seed: int
    trials: int


@cache
def load_pool(cells: Path | None, latency: Path | None, table: Path | None) -> Pool:
    """Return the pool that the arguments name."""
    return table_pool(table) if table else cells_pool(cells, latency)


def search(job: Job) -> dict:
    """Return the numbers of the networks that one search evaluates, in order."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    pool, started = load_pool(job.cells, job.latency, job.table), time.perf_counter()
    context = pool.context(with_scores=job.sampler != WITHOUT_SCORES)
    sampler = SAMPLERS.get("front" if job.sampler == WITHOUT_SCORES else job.sampler)(context, job.seed)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    rng, evaluated = random.Random(job.seed), list[int]()
    for _ in range(min(job.trials, len(pool.accuracy))):
        trial = study.ask()
        asked = {name: trial.suggest_categorical(name, values) for name, values in pool.space.choices.items()}
        index = pool.space.nearest(asked, rng, evaluated)
        for name, value in pool.space.member(index).items():  # what is evaluated is what the sampler is told of
            if value != asked[name]:
                category = trial.distributions[name]
                study._storage.set_trial_param(trial._trial_id, name, category.to_internal_repr(value), category)
        study.tell(trial, [pool.accuracy[index], pool.cost[index]])
        evaluated.append(index)
    return {
        "sampler": job.sampler,
        "seed": job.seed,
        "evaluated": evaluated,
        "seconds": round(time.perf_counter() - started, 2),
    }


def shares(pool: Pool, evaluated: Sequence[int]) -> np.ndarray:
    """Return the share of the pool's hypervolume after each trial."""
    whole = hypervolume(pool.accuracy, pool.cost, reference=(pool.reference,), floor=CHANCE)
    edges = np.append(np.unique(pool.cost), pool.reference)
    best, volumes = np.full(len(edges) - 1, CHANCE), []
    for index in evaluated:
        above = best[np.searchsorted(edges, pool.cost[index]) :]
        np.maximum(above, pool.accuracy[index], out=above)
        volumes.append((best - CHANCE) @ np.diff(edges))
    return np.array(volumes) / whole


def trials_needed(pool: Pool, evaluated: Sequence[int], target: float) -> float:
    """Return after how many trials a search has the target share of the hypervolume; infinite where it never has."""
    reached = np.flatnonzero(shares(pool, evaluated) >= target)
    return float(reached[0] + 1) if len(reached) else np.inf


def gaps(pool: Pool, evaluated: Sequence[int]) -> list[float]:
    """Return how far the best accuracy within each budget is below the pool's, in percentage points."""
    chosen, found = np.zeros(len(pool.cost), dtype=bool), []
    chosen[list(evaluated)] = True
    for budget in np.quantile(pool.cost, BUDGETS):
        within = pool.cost <= budget
        best = pool.accuracy[within].max()
        found.append(100 * (best - pool.accuracy[within & chosen].max(initial=CHANCE)))
    return found


def table_of(pool: Pool, runs: Sequence[dict], trials: int) -> Iterator[str]:
    """Yield the lines of a Markdown table of all runs."""
    budgets = ", ".join(f"{budget:.3g}" for budget in np.quantile(pool.cost, BUDGETS))
    half = trials // 3
    yield (
        f"{len(pool.accuracy)} networks, accuracy against {pool.unit}. Gaps: of the best accuracy within {budgets} "
        f"{pool.unit} to the pool's, in points, after {half} trials. Medians over seeds, quartiles in brackets."
    )
    titles = " | ".join(f"trials to {target:.1%}" for target in TARGETS)
    yield f"\n| sampler | seeds | {titles} | hypervolume after {half} | gaps | s a trial |"
    yield "|---" * (5 + len(TARGETS)) + "|"
    by_name = {name: [run for run in runs if run["sampler"] == name] for name in SAMPLER_NAMES}
    needed: dict[float, dict[str, float]] = {target: {} for target in TARGETS}
    for name, own in by_name.items():
        if not own:
            continue
        most, columns = min(len(run["evaluated"]) for run in own), []
        for target in TARGETS:
            counts = [trials_needed(pool, run["evaluated"], target) for run in own]
            low, middle, high = np.quantile(counts, (0.25, 0.5, 0.75), method="inverted_cdf")
            needed[target][name] = middle
            columns.append(f"{_count(middle, most)} ({_count(low, most)} to {_count(high, most)})")
        at_half = np.median([shares(pool, run["evaluated"][:half])[-1] for run in own])
        gap = np.median([gaps(pool, run["evaluated"][:half]) for run in own], axis=0)
        seconds = np.median([run["seconds"] / len(run["evaluated"]) for run in own])
        shown = " / ".join(f"{value:.2f}" for value in gap)
        yield f"| {name} | {len(own)} | {' | '.join(columns)} | {at_half:.2%} | {shown} | {seconds:.2f} |"
    for target, counts in needed.items():
        others = {name: count for name, count in counts.items() if name not in OURS and np.isfinite(count)}
        best = min(others, key=others.__getitem__, default=None)
        for name in OURS:
            if best and np.isfinite(counts.get(name, np.inf)):
                yield f"\n{name}: {counts[name] / others[best]:.2f} times the trials to {target:.1%} of {best}"


def _count(value: float, most: int) -> str:
    return f"{value:.0f}" if np.isfinite(value) else f"> {most}"


def read_runs(path: Path) -> dict[tuple[str, int], dict]:
    """Return the runs kept in a file by sampler and seed, the latest of equals; a line cut short is left out."""
    runs = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        with contextlib.suppress(json.JSONDecodeError):
            run = json.loads(line)
            runs[run["sampler"], run["seed"]] = run
    return runs


def main() -> None:
    parser = argparse.ArgumentParser(description="How many trainings a search needs.")
    parser.add_argument("--cells", type=Path, help="nasbench201_cifar10_724.csv")
    parser.add_argument("--latency", type=Path, help="of the cells, by scripts/measure_cells.py; else parameters count")
    parser.add_argument("--table", type=Path, help="of scripts/train_tabular.py, instead of the cells")
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--first-seed", type=int, default=0, help="settings were chosen on seeds from 1000 on")
    parser.add_argument("--trials", type=int, default=150)
    parser.add_argument("--samplers", nargs="+", default=SAMPLER_NAMES, choices=SAMPLER_NAMES)
    parser.add_argument("--gp-seeds", type=int, default=5, help="Optuna's Gaussian process takes seconds a trial")
    parser.add_argument("--gp-trials", type=int, default=150)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    args = parser.parse_args()
    if not (args.cells or args.table):
        parser.error("--cells or --table is needed")
    pool = load_pool(args.cells, args.latency, args.table)
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / f"search-trials-{pool.space.name}-{'ms' if pool.unit == 'ms' else 'params'}.jsonl"
    jobs = [
        Job(args.cells, args.latency, args.table, name, seed, args.gp_trials if name == "gp" else args.trials)
        for name in args.samplers
        for seed in range(args.first_seed, args.first_seed + (args.gp_seeds if name == "gp" else args.seeds))
    ]
    runs = read_runs(path)
    lengths = {key: len(run["evaluated"]) for key, run in runs.items()}
    waiting = [job for job in jobs if lengths.get((job.sampler, job.seed), 0) < min(job.trials, len(pool.accuracy))]
    with multiprocessing.get_context("spawn").Pool(args.processes) as workers, path.open("a") as file:
        for run in workers.imap_unordered(_quiet_search, waiting):
            file.write(json.dumps(run) + "\n")
            file.flush()
    runs = read_runs(path)
    print("\n".join(table_of(pool, [runs[job.sampler, job.seed] for job in jobs], args.trials)))


def _quiet_search(job: Job) -> dict:
    warnings.simplefilter("ignore")
    return search(job)


if __name__ == "__main__":
    main()
