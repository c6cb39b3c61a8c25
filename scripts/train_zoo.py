"""Train small-image forms of zoo networks on CIFAR-10 and keep weights, recipe and log of each.

usage: python scripts/train_zoo.py FOLDER_OF_CIFAR10 --out weights [--networks NAME ...] [--epochs 60]

The folder holds train/ and test/ with a folder a class, as `zoo.load_data("folder:PATH")` reads them. The test images
are looked at once, at the end. Runs on the first GPU if there is one. A network whose weights are there is left alone,
so that a stopped run goes on with the next.
"""

import argparse
import dataclasses
import json
import time
from pathlib import Path

import torch

import zoo
from zoo.data import Splits, load_data
from zoo.files import write_atomic
from zoo.small_images import for_small_images
from zoo.training import Epoch, TrainConfig, accuracy, train

_NETWORKS = ("mobilenetv2_050", "ghostnet_050", "shufflenet_v2_x0_5", "regnetx_002", "squeezenet1_1")


def train_one(name: str, data: Splits, config: TrainConfig, folder: Path, device: torch.device) -> dict[str, object]:
    """Train one network and write NAME.safetensors and NAME.json; return what the log holds."""
    spec = for_small_images(zoo.get_spec(name), data.resolution)
    network = spec.build(data.num_classes, data.in_chans, seed=config.seed).to(device)
    log: list[Epoch] = []
    started = time.monotonic()

    def note(epoch: Epoch) -> None:
        log.append(epoch)
        print(f"{name}: epoch {epoch.number} of {config.epochs}, loss {epoch.loss:.3f}", flush=True)

    train(network, data, config, resolution=spec.resolution, on_epoch=note)
    network = network.cpu()
    report = {
        "network": name,
        "data": Path(data.name).name,
        "recipe": dataclasses.asdict(config),
        "images": {"train": len(data.train), "validation": len(data.val), "test": len(data.test)},
        "device": str(device),
        "minutes": round((time.monotonic() - started) / 60, 1),
        "validation": accuracy(network, data.val, data, spec.resolution),
        "test": accuracy(network, data.test, data, spec.resolution),
        "losses": [round(epoch.loss, 4) for epoch in log],
    }
    mean, std = data.statistics()
    metadata = {"data": str(report["data"]), "recipe": json.dumps(report["recipe"]), "test": f"{report['test']:.4f}"}
    metadata |= {"mean": json.dumps(mean), "std": json.dumps(std), "classes": json.dumps(data.classes)}
    write_atomic(folder / f"{name}.json", json.dumps(report, indent=1))
    zoo.save_model(network, folder / f"{name}.safetensors", metadata)
    return report


def main() -> None:
    """Train what is not trained yet, then print the table."""
    parser = argparse.ArgumentParser(description="Train small-image forms of zoo networks on CIFAR-10.")
    parser.add_argument("folder", type=Path, help="CIFAR-10 as class folders")
    parser.add_argument("--out", type=Path, required=True, help="where weights and logs go")
    parser.add_argument("--networks", nargs="+", default=_NETWORKS, help="names of the zoo")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    data = load_data(f"folder:{arguments.folder}", resolution=32)
    config = TrainConfig(epochs=arguments.epochs, batch_size=arguments.batch_size, lr=arguments.lr, seed=arguments.seed)
    reports = []
    for name in arguments.networks:
        done = arguments.out / f"{name}.json"
        if done.exists() and (arguments.out / f"{name}.safetensors").exists():
            reports.append(json.loads(done.read_text()))
        else:
            reports.append(train_one(name, data, config, arguments.out, device))
    print("\n| network | parameters | epochs | test % | minutes | device |\n|---|---|---|---|---|---|")
    for report in reports:
        params = sum(p.numel() for p in zoo.load_model(arguments.out / f"{report['network']}.safetensors").parameters())
        print(
            f"| {report['network']} | {params:,} | {report['recipe']['epochs']} | {100 * report['test']:.1f} "
            f"| {report['minutes']} | {report['device']} |"
        )


if __name__ == "__main__":
    main()
