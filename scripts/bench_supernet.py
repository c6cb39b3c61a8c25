"""How well a supernet ranks a space's networks: its scores beside those of short trainings, one network at a time.

usage: python scripts/bench_supernet.py --space tiny --data digits --epochs 30 --networks 40 --train-epochs 5 --out DIR

Trains the supernet, scores random networks by it, trains each by itself with the search's recipe, and prints rank
correlations with the latter; parameters and multiply-adds are ranked beside, and with --again a second training with
another seed, which says how well any score could do. DIR keeps everything: a stopped run goes on.

A correlation here is with short trainings, not with networks trained to their end: short trainings favour what learns
fast, which are often the large ones, so that the rank by parameters is the mark to beat. With N networks a Spearman
correlation is uncertain by about 1 / sqrt(N - 1).
"""

import argparse
import csv
import io
import random
import statistics
import time
from pathlib import Path

import torch
from scipy.stats import kendalltau, spearmanr

import search
from search.scores import ScoreTask, score
from search.spaces import SearchSpace, load_space
from search.supernet import Supernet, train_supernet
from zoo import ArchSpec
from zoo.data import Splits, load_data
from zoo.files import write_atomic
from zoo.training import Epoch, TrainConfig

Row = dict[str, str]


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a table of `write_rows`; none where there is no file."""
    return list(csv.DictReader(io.StringIO(path.read_text()))) if path.exists() else []


def write_rows(path: Path, rows: list[Row]) -> None:
    """Write rows that all have the columns of the first; atomic."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomic(path, text.getvalue())


def trained_supernet(space: SearchSpace, data: Splits, epochs: int, folder: Path) -> tuple[Supernet, float]:
    """Return the supernet, trained to its end, and the seconds that its training took over all runs."""
    log = folder / "training.csv"
    started = time.perf_counter()

    def note(epoch: Epoch) -> None:
        nonlocal started
        seconds, started = time.perf_counter() - started, time.perf_counter()
        row = {"epoch": str(epoch.number), "loss": f"{epoch.loss:.4f}", "seconds": f"{seconds:.2f}"}
        write_rows(log, [*read_rows(log), row])
        print(f"supernet: epoch {epoch.number} of {epochs}, loss {epoch.loss:.3f}, {seconds:.0f} s", flush=True)

    supernet = train_supernet(space, data, epochs=epochs, path=folder / "supernet.safetensors", on_epoch=note)
    return supernet, sum(float(row["seconds"]) for row in read_rows(log))


def random_networks(space: SearchSpace, count: int) -> list[ArchSpec]:
    """Return `count` different networks, the same ones every time."""
    rng, found = random.Random(2026), {}
    while len(found) < count:
        spec = space.sample(rng)
        found.setdefault(spec.digest, spec)
    return list(found.values())


def scored(specs: list[ArchSpec], path: Path, data: Splits, config: TrainConfig, supernet: str = "") -> list[Row]:
    """Return a row a network out of `path`, those that are missing there scored now: by a supernet, or trained."""
    way = "supernet" if supernet else "training"
    rows = read_rows(path)
    for number, spec in enumerate(specs[len(rows) :], len(rows)):
        result = score(ScoreTask(number, spec.to_json(), config, way, supernet=supernet), data)
        if result.accuracy is None:
            raise search.SearchError(f"network {number} ({spec.digest}): {result.failure}")
        figures = {"accuracy": f"{result.accuracy:.5f}", "params": result.params, "macs": result.macs}
        rows.append({"network": spec.digest} | {k: str(v) for k, v in figures.items()})
        rows[-1]["seconds"] = f"{result.seconds:.3f}"
        write_rows(path, rows)
        print(f"{path.stem}: {number + 1} of {len(specs)}, {result.accuracy:.4f}", flush=True)
    return rows[: len(specs)]


def column(rows: list[Row], name: str) -> list[float]:
    """Return one column as numbers."""
    return [float(row[name]) for row in rows]


def main() -> None:
    """Train, score, train again, print the table."""
    parser = argparse.ArgumentParser(description="Rank networks by a supernet and by short trainings.")
    parser.add_argument("--space", default="tiny", help="a shipped space, or a JSON file that declares one")
    parser.add_argument("--data", default="digits")
    parser.add_argument("--epochs", type=int, default=30, help="of the supernet")
    parser.add_argument("--networks", type=int, default=40)
    parser.add_argument("--train-epochs", type=int, default=5, help="of each network by itself")
    parser.add_argument("--again", action="store_true", help="train each network a second time with another seed")
    parser.add_argument("--out", type=Path, required=True, help="where the supernet and the scores are kept")
    arguments = parser.parse_args()
    space = load_space(arguments.space)
    data = load_data(arguments.data, resolution=max(space.resolutions))
    specs = random_networks(space, arguments.networks)
    supernet, seconds = trained_supernet(space, data, arguments.epochs, arguments.out)
    config = TrainConfig(epochs=arguments.train_epochs)
    folder = arguments.out
    shared = scored(specs, folder / "supernet.csv", data, config, str(folder / "supernet.safetensors"))
    alone = scored(specs, folder / "alone.csv", data, config)
    predictors = {"supernet": column(shared, "accuracy")}
    if arguments.again:
        other = TrainConfig(epochs=arguments.train_epochs, seed=1)
        predictors["second training"] = column(scored(specs, folder / "again.csv", data, other), "accuracy")
    predictors |= {"parameters": column(alone, "params"), "multiply-adds": column(alone, "macs")}

    truth = column(alone, "accuracy")
    print("\n| score | Spearman | Kendall tau |\n|---|---|---|")
    for name, values in predictors.items():
        print(f"| {name} | {spearmanr(values, truth).statistic:.2f} | {kendalltau(values, truth).statistic:.2f} |")
    each, trained = (statistics.mean(column(rows, "seconds")) for rows in (shared, alone))
    parameters = sum(weight.numel() for weight in supernet.parameters())
    print(f"\nsupernet: {parameters:,} parameters, {arguments.epochs} epochs in {seconds:.0f} s")
    print(f"scores by supernet: {60 / each:.0f} networks a minute on {torch.get_num_threads()} threads")
    print(f"trainings of {arguments.train_epochs} epochs: {60 / trained:.1f} a minute")
    print(f"accuracy by supernet {min(predictors['supernet']):.3f} to {max(predictors['supernet']):.3f}, ", end="")
    print(f"by training {min(truth):.3f} to {max(truth):.3f}")


if __name__ == "__main__":
    main()
