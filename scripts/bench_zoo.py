"""Time the zoo beside timm: importing it, making networks, listing them. Prints the table of docs/benchmarks.md.

usage: python scripts/bench_zoo.py [--rounds 7]

Every figure is a ratio of medians of runs taken in turns, each import in a process of its own.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch

import zoo
from zoo.models import MODELS, ModelEntry
from zoo.timm_import import timm

_IMPORTS = {"import torch, timm": "import zoo.timm_import", "import zoo": "import zoo"}


def _seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def _in_turns(runs: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the median seconds of each of `runs`, called in turns; the first round warms up and does not count."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            seconds = _seconds(run)
            if number:
                taken[name].append(seconds)
    return {name: statistics.median(values) for name, values in taken.items()}


def _import(statement: str) -> None:
    subprocess.run([sys.executable, "-c", statement], check=True)


def _shared_networks() -> list[tuple[str, str]]:
    """Return our name and timm's of the smallest network of each family that both have."""
    by_family = {}
    for name in sorted(zoo.list_models(), key=lambda name: -zoo.model_info(name).params):
        entry = MODELS.get(name)
        if isinstance(entry, ModelEntry) and entry.timm:
            by_family[entry.family] = (name, entry.timm)
    return sorted(by_family.values())


def main() -> None:
    """Print three tables."""
    parser = argparse.ArgumentParser(description="Time the zoo beside timm.")
    parser.add_argument("--rounds", type=int, default=7, help="runs of each, in turns")
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)

    imports = _in_turns({name: lambda s=statement: _import(s) for name, statement in _IMPORTS.items()}, rounds)
    print("| import | seconds | ratio |\n|---|---|---|")
    for name, seconds in imports.items():
        print(f"| `{name}` | {seconds:.2f} | {seconds / imports['import torch, timm']:.2f} |")

    print(
        "\n| network | timm ms | zoo ms, first | zoo ms, again | ratio first | ratio again |\n|---|---|---|---|---|---|"
    )
    ratios = []
    for ours, theirs in _shared_networks():
        first = _seconds(lambda name=ours: zoo.create_model(name))
        runs = {
            "timm": lambda name=theirs: timm.create_model(name),
            "zoo": lambda name=ours: zoo.create_model(name),
        }
        took = _in_turns(runs, rounds)
        ratios.append(took["zoo"] / took["timm"])
        cells = (took["timm"], first, took["zoo"])
        print(
            f"| {ours} | "
            + " | ".join(f"{1000 * seconds:.0f}" for seconds in cells)
            + f" | {first / took['timm']:.2f} | {ratios[-1]:.2f} |"
        )
    print(f"\ncreate_model: median ratio {statistics.median(ratios):.2f}, worst {max(ratios):.2f}")

    names = zoo.list_models()
    took = _in_turns({"list": zoo.list_models, "info": lambda: [zoo.model_info(name) for name in names]}, rounds)
    print(f"list_models: {1000 * took['list']:.2f} ms, model_info of all {len(names)}: {1000 * took['info']:.2f} ms")


if __name__ == "__main__":
    main()
