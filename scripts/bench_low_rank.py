"""Accuracy, speed and size of networks with low-rank decompositions. Prints Markdown tables.

usage: EDGEZOO_DATA=FOLDER python scripts/bench_low_rank.py --cifar FOLDER_OF_CIFAR10 --out build/low-rank

FOLDER_OF_CIFAR10 is made by unpack_cifar10.py in the folder that EDGEZOO_DATA names, where the weights of ResNet-56
(resnet56-cifar10.safetensors) lie too. resnet18-cifar is ResNet-18 with a first layer for 32 pixels, trained once here
and kept in OUT. ResNet-18 and MobileNetV2 at 224 pixels have new weights: latency and size alone. Ranks are the same
share of each layer's channels, in steps of the device's staircase, but for the last row, where all layers' ranks are
chosen at once so that the layers take as long together as with tucker. Nothing is trained after a decomposition unless
--epochs says so. Latencies are measured at the end, in turns: leave the machine alone.
"""

import argparse
import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cifar_resnet import load_cifar_resnet
from torch import Tensor, nn

import zoo
from latency_tables.bench import Bench
from latency_tables.measurement import summarize, time_in_turns
from model_compression.low_rank import DECOMPOSITIONS, Factors, factorize, factorized_structure
from model_compression.low_rank.allocation import LayerCost, allocate, rank_candidates, uniform_ranks
from model_compression.low_rank.covariance import input_covariances
from model_compression.low_rank.layer_timer import LayerTimer
from model_compression.low_rank.layers import get_layers, input_shapes
from zoo.data import Splits, load_data
from zoo.files import write_atomic
from zoo.training import TrainConfig, train
from zoo.training.evaluation import predict_scores
from zoo.training.preprocessing import normalize
from zoo.weights.files import load_state, read_tensors, save_tensors

NETWORKS = {"resnet56": 32, "resnet18-cifar": 32, "resnet18": 224, "mobilenetv2": 224}  # and the images' size
ON_CIFAR = ("resnet56", "resnet18-cifar")
WEIGHTS = "resnet56-cifar10.safetensors"
AWARE, GLOBAL = ", data-aware", "global ranks"
Rows = dict[str, dict[str, Any]]


def load_network(name: str, data: Splits | None, args: argparse.Namespace) -> nn.Module:
    """Return the network called `name`: with trained weights where there is data for them."""
    if name == "resnet18-cifar" and data is not None:
        return trained_resnet18(data, args.out / f"{name}.safetensors", args.first_epochs)
    if data is None:
        return zoo.create_model({"resnet18": "timm/resnet18", "mobilenetv2": "mobilenetv2_100"}[name]).eval()
    mean, std = data.statistics()
    return load_cifar_resnet(Path(os.environ["EDGEZOO_DATA"]) / WEIGHTS, mean=mean, std=std)


def trained_resnet18(data: Splits, path: Path, epochs: int) -> nn.Module:
    """Return ResNet-18 with a 3x3 first layer of stride 2 and no pooling after it; `path` keeps its weights."""
    network = zoo.create_model("timm/resnet18", num_classes=data.num_classes)
    network.conv1, network.maxpool = nn.Conv2d(3, 64, 3, 2, 1, bias=False), nn.Identity()
    if path.exists():
        load_state(network, read_tensors(path)[0], str(path))
    else:
        train(network, data, TrainConfig(epochs), resolution=NETWORKS["resnet18-cifar"])
        save_tensors(path, network.state_dict(), {})
    return network.eval()


def macs(layer: nn.Module, input_shape: tuple[int, ...]) -> float:
    """Return millions of multiply-adds: the cost of a layer where nothing is measured."""
    return zoo.complexity(layer, input_shape).macs / 1e6


def decompositions(
    network: nn.Module, size: int, args: argparse.Namespace, covariances: dict[str, Tensor], cost: LayerCost
) -> Iterator[tuple[str, dict[str, Factors], dict[str, Tensor]]]:
    """Yield the name of a row, the decompositions of its layers, and the covariances that they are fitted with."""
    shape, multiple = (1, 3, size, size), args.multiple
    uniform = {k: uniform_ranks(network, shape, kind=k, share=args.share, multiple=multiple) for k in args.kinds}
    uniform = {kind: factors for kind, factors in uniform.items() if factors}
    yield "original", {}, {}
    for kind, factors in uniform.items():
        yield kind, factors, {}
    if covariances:
        for kind, factors in uniform.items():
            yield kind + AWARE, factors, covariances
    if len(uniform) > 1 and not args.no_global:
        compared = uniform.get("tucker") or next(iter(uniform.values()))
        shapes = input_shapes(network, shape, list(compared))
        budget = sum(
            cost(compared[name].decomposition.small_layers(layer, compared[name].ranks), shapes[name])
            for name, layer in get_layers(network, list(compared)).items()
        )
        kinds = [kind for kind in ("svd", "separable", "tucker") if kind in uniform]
        candidates = rank_candidates(
            network, shape, cost=cost, kinds=kinds, names=list(compared), covariances=covariances, multiple=multiple
        )
        yield GLOBAL + (AWARE if covariances else ""), allocate(candidates, budget_ms=budget).factors, covariances


def run(name: str, data: Splits | None, args: argparse.Namespace) -> Rows:
    """Return the rows of one network."""
    size = args.size if args.size and data is None else NETWORKS[name]
    network, shape, rows, made = load_network(name, data, args), (1, 3, size, size), Rows(), dict[str, nn.Module]()
    covariances: dict[str, Tensor] = {}
    if data is not None:
        names = list(uniform_ranks(network, shape, kind="svd", share=args.share, multiple=args.multiple))
        images = normalize(data.train.images[: args.images], *data.statistics())
        covariances = input_covariances(network, images, names)
    with Bench("onnxruntime", "fp32", 1) as bench:
        cost = macs if args.no_latency else LayerTimer(bench, seconds_each=args.seconds / 10)
        for row, factors, given in decompositions(network, size, args, covariances, cost):
            # weights that are not trained say nothing, and fitting them takes long
            made[row] = small = (
                factorized_structure(network, factors).eval()
                if data is None
                else factorize(network, factors, covariances=given)
            )
            rows[row] = asdict(zoo.complexity(small, shape[1:])) | {
                "factors": {n: asdict(f) for n, f in factors.items()}
            }
            if data is not None:
                if args.epochs and factors:
                    train(small, data, TrainConfig(args.epochs, lr=0.01, label_smoothing=0.0), resolution=size)
                scores = predict_scores(small, data.test, data, size)
                hits = scores.topk(5).indices == data.test.labels[:, None]
                rows[row] |= {"top1": float(hits[:, 0].float().mean()), "top5": float(hits.any(1).float().mean())}
            print(name, row, {k: v for k, v in rows[row].items() if k != "factors"}, flush=True)
        if not args.no_latency:
            for row, small in made.items():
                bench.add(row, small, shape)
            for row, samples in time_in_turns(bench, list(made), seconds_each=args.seconds).items():
                rows[row]["ms"] = summarize(samples).median_ms
    return rows


def table_of(rows: Rows) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    yield "| method | top-1 % | top-5 % | ms | speed-up | multiply-adds, times fewer | compression rate |"
    yield "|---|---|---|---|---|---|---|"
    first = rows["original"]
    for name, row in rows.items():
        accuracy = [f"{100 * row[key]:.2f}" if key in row else "" for key in ("top1", "top5")]
        speed = [f"{row['ms']:.3f}", f"{first['ms'] / row['ms']:.2f}x"] if "ms" in row and "ms" in first else ["", ""]
        smaller = [f"{first[key] / row[key]:.2f}x" for key in ("macs", "params")]
        yield f"| {' | '.join([name, *accuracy, *speed, *smaller])} |"


def main() -> None:
    """Decompose the networks, then print a table of each."""
    parser = argparse.ArgumentParser(description="Low-rank decompositions: accuracy, latency and size.")
    parser.add_argument("--cifar", type=Path, help="CIFAR-10 as class folders; resnet56 needs it")
    parser.add_argument("--out", type=Path, default=Path("build/low-rank"))
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    known = sorted(DECOMPOSITIONS)
    parser.add_argument("--kinds", nargs="+", choices=known, default=known, metavar="KIND", help=", ".join(known))
    parser.add_argument("--share", type=float, default=0.33, help="of each layer's channels")
    parser.add_argument("--multiple", type=int, default=8, help="of channels: steps of the device's staircase")
    parser.add_argument("--images", type=int, default=256, help="without labels, for the data-aware fits")
    parser.add_argument("--epochs", type=int, default=0, help="of training after each decomposition, on CIFAR-10")
    parser.add_argument("--first-epochs", type=int, default=15, help="of resnet18-cifar's own training")
    parser.add_argument("--size", type=int, help="of the images of networks with new weights, in pixels")
    parser.add_argument("--seconds", type=float, default=10.0, help="of timing for each network")
    parser.add_argument("--no-latency", action="store_true", help="ranks are chosen by multiply-adds then")
    parser.add_argument("--no-global", action="store_true", help="without the row of ranks chosen at once")
    args = parser.parse_args()
    for name in set(args.networks) & set(ON_CIFAR) if not args.cifar else ():
        parser.error(f"{name} needs --cifar; name other --networks to do without")
    args.out.mkdir(parents=True, exist_ok=True)
    data = load_data(f"folder:{args.cifar}", resolution=32) if args.cifar else None
    tables = {name: run(name, data if name in ON_CIFAR else None, args) for name in args.networks}
    write_atomic(args.out / "low-rank.json", json.dumps(tables, indent=1))
    for name, rows in tables.items():
        print(f"\n{name}\n\n" + "\n".join(table_of(rows)))


if __name__ == "__main__":
    main()
