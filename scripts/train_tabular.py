"""Train networks of the space `tiny` once each, and keep what came of it as a table that samplers are compared on.

usage: python scripts/train_tabular.py FOLDER_OF_CIFAR10 --out tabular.csv [--networks 400]

The folder holds train/ with a folder a class, as `zoo.load_data("folder:PATH")` reads it. Half of the networks are
drawn at random, half evenly over the predicted latency, where random ones are rare at both ends. All get the same
short training on the same images. The file is written anew, whole, after each network: a stopped run goes on with the
next. Columns: the choices, digest, accuracy on the validation images, params, macs, predicted_ms, seconds.
"""

import argparse
import csv
import io
import random
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from latency_tables import load_table
from search import SPACES
from search.scores import ScoreTask, score
from search.space_latency import SpaceLatency
from zoo.data import Splits, load_data
from zoo.files import write_atomic
from zoo.training import TrainConfig

SPACE = "tiny"
_DRAWN_FOR_EACH = 20  # random networks for each that is chosen for its latency
_data: Splits


def choose(count: int, table: str, seed: int) -> list[dict[str, Any]]:
    """Return the choices, digest and predicted_ms of `count` different networks, in a random order."""
    space, rng = SPACES.get(SPACE), random.Random(seed)
    latency, rows = SpaceLatency(space, load_table(table)), {}

    def draw() -> dict[str, Any]:
        params = space.sample_params(rng)
        return params | {"digest": space.decode(params).digest, "predicted_ms": latency.ms(params)}

    while len(rows) < count - count // 2:
        row = draw()
        rows[row["digest"]] = row
    drawn = sorted((draw() for _ in range(_DRAWN_FOR_EACH * (count // 2))), key=lambda row: row["predicted_ms"])
    low, high = drawn[0]["predicted_ms"], drawn[-1]["predicted_ms"]
    for step in range(count // 2):
        wanted = low + (high - low) * step / max(1, count // 2 - 1)
        free = (row for row in drawn if row["digest"] not in rows)
        row = min(free, key=lambda row: abs(row["predicted_ms"] - wanted))
        rows[row["digest"]] = row
    chosen = list(rows.values())
    rng.shuffle(chosen)
    return chosen


def load(folder: Path, images: int) -> None:
    """Read the images of this process; the first `images` of a shuffle are trained on."""
    global _data
    torch.set_num_threads(1)
    data = load_data(f"folder:{folder}", resolution=32)
    order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))[:images]
    train = data.train.subset(order.numpy())
    _data = Splits(data.name, train, data.val, data.val, data.classes, data.flip)


def train_one(row: dict[str, Any], config: TrainConfig) -> dict[str, Any]:
    """Return `row` with what the training of its network gave; accuracy is empty where it failed."""
    names = SPACES.get(SPACE).parameters()
    spec = SPACES.get(SPACE).decode({name: row[name] for name in names})
    result = score(ScoreTask(0, spec.to_json(), config), _data)
    found = {"accuracy": result.accuracy, "params": result.params, "macs": result.macs}
    return row | found | {"seconds": round(result.seconds, 1), "failure": result.failure}


def write(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write the table, whole."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    write_atomic(path, text.getvalue())


def main() -> None:
    parser = argparse.ArgumentParser(description="Train networks of the tiny space once each.")
    parser.add_argument("folder", type=Path, help="CIFAR-10 as class folders")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--networks", type=int, default=400)
    parser.add_argument("--table", default="onnxruntime-fp32", help="latency table, shipped or a file")
    parser.add_argument("--images", type=int, default=10_000, help="to train on")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="stop after so many networks")
    args = parser.parse_args()
    rows: list[dict[str, Any]] = []
    if args.out.exists():
        with args.out.open() as file:
            rows = list(csv.DictReader(file))
    done = {row["digest"] for row in rows}
    waiting = [row for row in choose(args.networks, args.table, args.seed) if row["digest"] not in done][: args.only]
    config = TrainConfig(epochs=args.epochs, batch_size=args.batch_size, seed=args.seed)
    with ProcessPoolExecutor(args.workers, get_context("spawn"), load, (args.folder, args.images)) as pool:
        for future in as_completed([pool.submit(train_one, row, config) for row in waiting]):
            rows.append(future.result())
            write(args.out, rows)
            print(f"{len(rows)}/{args.networks} {rows[-1]['accuracy']} {rows[-1]['seconds']} s", flush=True)


if __name__ == "__main__":
    main()
