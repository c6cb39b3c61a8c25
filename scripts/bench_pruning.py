"""Pruning led by measured latency beside pruning led by multiply-adds and the same share everywhere. Prints a table.

usage: EDGEZOO_DATA=FOLDER python scripts/bench_pruning.py FOLDER_OF_CIFAR10 --out build/pruning

FOLDER_OF_CIFAR10 is made by unpack_cifar10.py in the folder that EDGEZOO_DATA names, where the weights of ResNet-56
(resnet56-cifar10.safetensors) lie too. Each way prunes until the measured network takes --keep of its latency, by the
same scores of channels, and is trained on alike. A row is kept in OUT/pruning.jsonl once it is done; a stopped run goes
on with the next. At the end all networks are timed in turns: leave the machine alone.
"""

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from cifar_resnet import load_cifar_resnet
from torch import nn

import zoo
from latency_tables.bench import Bench
from latency_tables.measurement import common_reference_ms, summarize, time_in_turns
from model_compression.errors import BudgetError
from model_compression.pruning.allocation import least_important, uniform
from model_compression.pruning.channels import ChannelGroup, channel_groups, prune_channels
from model_compression.pruning.cost import Cost, measured_cost
from model_compression.pruning.importance import IMPORTANCES
from model_compression.pruning.latency_led import latency_led
from model_compression.pruning.samples import labelled_batches
from zoo.data import Splits, load_data
from zoo.files import write_atomic
from zoo.small_images import for_small_images
from zoo.training import TrainConfig, accuracy, train

SHAPE = (1, 3, 32, 32)
WAYS = ("latency", "multiply-adds", "uniform")
_ROUNDS = 7  # of halving the share to remove
Removed = dict[str, list[int]]


def macs(network: nn.Module) -> float:
    """Return millions of multiply-adds, the cost that the literature prunes by."""
    return zoo.complexity(network, SHAPE[1:]).macs / 1e6


def load_network(name: str, data: Splits, args: argparse.Namespace) -> nn.Module:
    """Return the trained network: ResNet-56 with published weights, others trained once and kept."""
    if name == "resnet56":
        center, spread = data.statistics()
        path = Path(os.environ["EDGEZOO_DATA"]) / "resnet56-cifar10.safetensors"
        return load_cifar_resnet(path, mean=center, std=spread)
    path = args.out / f"{name}.safetensors"
    if path.exists():
        return zoo.load_model(path)
    network = for_small_images(zoo.get_spec(name), SHAPE[2]).build(data.num_classes)
    train(network, data, TrainConfig(epochs=args.first_epochs), resolution=SHAPE[2])
    zoo.save_model(network, path)
    return network.eval()


def until_kept(keep_ms: float, cost: Cost, prune: Callable[[float], nn.Module]) -> float:
    """Return the least share to remove with which `prune` gives a network of at most `keep_ms`, by halving."""
    low, high = 0.0, 0.95
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        low, high = (low, middle) if cost(prune(middle)) <= keep_ms else (middle, high)
    return high


def choose(
    way: str, network: nn.Module, groups: tuple[ChannelGroup, ...], scores: dict, cost: Cost, args: argparse.Namespace
) -> Removed:
    """Return the channels to remove so that the measured network takes `args.keep` of its latency."""
    keep_ms = args.keep * cost(network)
    settings: dict[str, Any] = {"shape": SHAPE, "scores": scores, "groups": groups, "align": args.align}
    if way == "latency":
        return latency_led(network, keep_ms, cost=cost, **settings).removed

    def by_share(share: float) -> Removed:
        if way == "uniform":
            return least_important(groups, scores, uniform(groups, share))
        try:
            led = latency_led(network, (1 - share) * macs(network), cost=macs, **settings | {"align": 1, "most": 64})
        except BudgetError:  # the narrowest
            return least_important(groups, scores, {group.name: group.multiple for group in groups})
        return led.removed

    share = until_kept(keep_ms, cost, lambda s: prune_channels(network, by_share(s), SHAPE, groups=groups))
    return by_share(share)


def row_of(network: nn.Module, removed: Removed, groups: Any, data: Splits, seed: int, epochs: int) -> dict[str, Any]:
    """Prune, train on, and return what came of it."""
    pruned = prune_channels(network, removed, SHAPE, groups=groups)
    before = accuracy(pruned, data.test, data, SHAPE[2])
    train(pruned, data, TrainConfig(epochs=epochs, lr=0.02, seed=seed), resolution=SHAPE[2])
    return {
        "untuned": before,
        "accuracy": accuracy(pruned, data.test, data, SHAPE[2]),
        "macs": macs(pruned),
        "removed": removed,
    }


def time_all(network: nn.Module, groups: Any, rows: list[dict], dtype: str) -> dict[str, float]:
    """Return the latency of each way's network over that of the unpruned one, timed in turns."""
    chosen = {row["way"]: row["removed"] for row in rows}
    with Bench("onnxruntime", dtype) as bench:
        bench.add("original", network, SHAPE)
        for way, removed in chosen.items():
            bench.add(way, prune_channels(network, removed, SHAPE, groups=groups).eval(), SHAPE)
        samples = time_in_turns(bench, ["original", *chosen], seconds_each=5.0)
    pace = common_reference_ms(samples.values())
    ms = {name: summarize(taken, reference_ms=pace).median_ms for name, taken in samples.items()}
    return {name: value / ms["original"] for name, value in ms.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare ways to choose widths at equal measured latency.")
    parser.add_argument("cifar", type=Path, help="CIFAR-10 as class folders")
    parser.add_argument("--networks", nargs="+", default=["resnet56", "mobilenetv2_050"])
    parser.add_argument("--dtypes", nargs="+", default=["fp32", "int8"])
    parser.add_argument("--keep", type=float, default=0.7, help="share of the measured latency")
    parser.add_argument("--align", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2, help="of the training after pruning")
    parser.add_argument("--first-epochs", type=int, default=10, help="of networks without published weights")
    parser.add_argument("--out", type=Path, default=Path("build/pruning"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    data, record = load_data(f"folder:{args.cifar}", resolution=SHAPE[2]), args.out / "pruning.jsonl"
    rows = [json.loads(line) for line in record.read_text().splitlines()] if record.exists() else []
    print("| network | way | accuracy % | before tuning % | MACs M | latency |\n|---|---|---|---|---|---|")
    for name in args.networks:
        network = load_network(name, data, args)
        groups = channel_groups(network, SHAPE)
        scores = IMPORTANCES.get("taylor")(network, groups, labelled_batches(data, resolution=SHAPE[2]))
        for dtype in args.dtypes:
            for way in WAYS:
                key = {"network": name, "dtype": dtype, "way": way, "keep": args.keep, "epochs": args.epochs}
                removed = next((r["removed"] for r in rows if key.items() <= r.items()), None)
                if removed is None:
                    with measured_cost(SHAPE, dtype=dtype) as cost:
                        removed = choose(way, network, groups, scores, cost, args)
                for seed in range(args.seeds):
                    if any((key | {"seed": seed}).items() <= row.items() for row in rows):
                        continue
                    torch.manual_seed(seed)
                    rows.append(key | {"seed": seed} | row_of(network, removed, groups, data, seed, args.epochs))
                    write_atomic(record, "".join(json.dumps(row) + "\n" for row in rows))
            mine = [row for row in rows if row["network"] == name and row["dtype"] == dtype]
            ratios = time_all(network, groups, mine, dtype)
            whole = accuracy(network, data.test, data, SHAPE[2])
            print(f"| {name} {dtype} | original | {100 * whole:.1f} |  | {macs(network):.1f} | 1.00 |")
            for way in WAYS:
                of_way = [row for row in mine if row["way"] == way]
                found = [100 * row["accuracy"] for row in of_way]
                spread = f" ± {stdev(found):.1f}" if len(found) > 1 else ""
                print(
                    f"|  | {way} | {mean(found):.1f}{spread} | {100 * of_way[0]['untuned']:.1f} | "
                    f"{of_way[0]['macs']:.1f} | {ratios[way]:.2f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
