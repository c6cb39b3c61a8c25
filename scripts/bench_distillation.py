"""Which distillation losses help a small network on CIFAR-10, and which hurt? Prints a Markdown table.

usage: python scripts/bench_distillation.py FOLDER_OF_CIFAR10 --out build/bench [--images 2000 --epochs 6 --seeds 3]

The folder is made by unpack_cifar10.py in the folder that EDGEZOO_DATA names, where the teacher's weights
(resnet56-cifar10.safetensors) lie too. The student is MobileNetV2 0.5 for 32 pixels: without the stride of its stem,
so that its maps have 32, 16, 8, 4 and 2, and by default with the first block of each stage alone, as the whole network
learns little in so short a training (--blocks 4 is all of it). It is trained without a teacher, with each loss of the
scores, and with each loss of features beside plain KD; so the difference to `kd` is what the features add. All
trainings of a seed start from the same weights and see the same images, and settings are the losses' own defaults,
none tuned here: maps are paired last with last, the student's of 8, 4 and 2 pixels with the teacher's of 32, 16 and 8.

Each finished training is a line of OUT/distillation.jsonl; a stopped benchmark goes on where it was. Jobs are in the
order of seeds. The teacher's maps of a seed (115 kB for an image of each epoch) lie in OUT while it is worked on.
"""

import argparse
import contextlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

import torch
from cifar_resnet import load_cifar_resnet
from recorded_teacher import RecordedTeacher, record
from scipy.stats import t as student_t

from model_compression.distillation import LOSSES
from model_compression.distillation.feature_distillation import FeatureDistillation
from model_compression.distillation.features import FEATURE_LOSSES
from model_compression.distillation.teacher import Teacher, distillation_loss
from zoo import EdgezooError, get_spec
from zoo.data import Splits, load_data
from zoo.network import Network
from zoo.small_images import for_small_images
from zoo.training import TrainConfig, accuracy, train

STUDENT, TEACHER = "mobilenetv2_050", "resnet56"
PLAIN, KD = "no teacher", "kd"
_STRIDES = 1  # of the student that are left out; two, as is the custom for CIFAR, cost three times as much
_data: Splits
_teacher: torch.nn.Module


class Protocol(NamedTuple):
    """What all trainings of a table share."""

    images: int
    epochs: int
    batch_size: int
    lr: float
    blocks: int

    def config(self, seed: int) -> TrainConfig:
        return TrainConfig(self.epochs, self.batch_size, self.lr, seed=seed)


def names() -> list[str]:
    """Return what a student can be trained with: nothing, a loss of the scores, or `kd + ` a loss of features."""
    return [PLAIN, KD, *(n for n in LOSSES.names() if n != KD), *(f"{KD} + {n}" for n in FEATURE_LOSSES.names())]


def prepare(folder: Path, images: int) -> None:
    """Read images and teacher into this process."""
    global _data, _teacher
    torch.set_num_threads(1)
    data = load_data(f"folder:{folder}", resolution=32)
    order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))[:images]
    _data = Splits(data.name, data.train.subset(order.numpy()), data.val, data.test, data.classes, data.flip)
    average, deviation = _data.statistics()
    path = Path(os.environ["EDGEZOO_DATA"]) / f"{TEACHER}-cifar10.safetensors"
    _teacher = load_cifar_resnet(path, mean=average, std=deviation)


def student_of(blocks: int, seed: int) -> Network:
    """Return a new student with the first `blocks` of each stage."""
    count, kept, spec = 0, [], for_small_images(get_spec(STUDENT), 32, strides=_STRIDES)
    for index, block in enumerate(spec.blocks):
        starts = not kept or block.stride > 1 or block.out_chans != spec.blocks[index - 1].out_chans
        count = 1 if starts else count + 1
        kept += [block] * (count <= blocks)
    return spec.replace(blocks=tuple(kept)).build(_data.num_classes, _data.in_chans, seed=seed)


def record_seed(protocol: Protocol, seed: int, path: Path) -> None:
    """Write the teacher's maps of the trainings with `seed`."""
    record(_teacher, _data, protocol.config(seed), path)


def train_one(name: str, protocol: Protocol, seed: int, recorded: Path) -> dict[str, Any]:
    """Return accuracy of one student on the test images, 0..1, or why it has none."""
    started, config = time.process_time(), protocol.config(seed)
    student = student_of(protocol.blocks, seed).to(memory_format=torch.channels_last)
    teacher = Teacher(TEACHER, RecordedTeacher(recorded, _teacher.get_submodule("network.linear")))
    response, _, features = name.partition(" + ")
    row: dict[str, Any] = {"name": name, "seed": seed, **protocol._asdict()}
    try:
        with contextlib.ExitStack() as stack:
            loss = None
            if features:
                made = FeatureDistillation(student, teacher, features, data=_data, resolution=32, response=response)
                loss = stack.enter_context(made)
            elif name != PLAIN:
                loss = distillation_loss(teacher, response)
            history = train(student, _data, config, resolution=32, loss=loss)
        row |= {"accuracy": round(accuracy(student, _data.test, _data, 32), 4), "loss": round(history[-1].loss, 4)}
    except EdgezooError as error:
        row["failure"] = str(error)
    return row | {"seconds": round(time.process_time() - started, 1)}


def table_of(rows: Sequence[dict[str, Any]], wanted: Sequence[str]) -> Iterator[str]:
    """Yield the lines of a Markdown table, best first, of the seeds with which every one of `wanted` was trained.

    Differences are between trainings of equal seed, so that a seed's luck falls out; the interval is Student's of 95 %.
    """
    found = {(row["name"], row["seed"]): row for row in rows}
    seeds = [seed for seed in sorted({row["seed"] for row in rows}) if all((n, seed) in found for n in wanted)]
    if not seeds:
        yield "no seed is finished yet"
        return
    failed = {n: f for n in wanted for s in seeds if (f := found[n, s].get("failure"))}
    scores = {n: [100 * found[n, s]["accuracy"] for s in seeds] for n in wanted if n not in failed}
    against = [base for base in (PLAIN, KD) if base in scores]
    yield f"| trained with | test accuracy | {''.join(f'against {base} | ' for base in against)}CPU s |"
    yield "|---" * (3 + len(against)) + "|"
    worse: dict[str, list[str]] = {base: [] for base in against}
    for name in sorted(scores, key=lambda n: -mean(scores[n])):
        cells = [f"`{name}`" if name != PLAIN else name, _spread(scores[name])]
        for base in against:
            gaps = [a - b for a, b in zip(scores[name], scores[base], strict=True)]
            cells.append("" if name == base else f"{mean(gaps):+.2f}{_interval(gaps)}")
            if mean(gaps) < 0 and (base, name) != (KD, PLAIN):
                worse[base].append(name + ("" if _is_sure(gaps) else " (?)"))
        seconds = mean(found[name, seed]["seconds"] for seed in seeds)
        yield f"| {' | '.join(cells)} | {seconds:.0f} |"
    yield f"\nSeeds {', '.join(map(str, seeds))}; standard deviations over them; points of accuracy."
    for base, losses in worse.items():
        yield f"Worse than {base}: {', '.join(losses) or 'none'}."
    yield "(?): the interval of the difference holds 0, or there is one seed."
    for name, reason in failed.items():
        yield f"{name} failed: {reason}"


def _spread(values: Sequence[float]) -> str:
    return f"{mean(values):.2f}" + (f" (sd {stdev(values):.2f})" if len(values) > 1 else "")


def _half_width(gaps: Sequence[float]) -> float:
    return float(student_t.ppf(0.975, len(gaps) - 1)) * stdev(gaps) / len(gaps) ** 0.5


def _interval(gaps: Sequence[float]) -> str:
    return f" ± {_half_width(gaps):.2f}" if len(gaps) > 1 else ""


def _is_sure(gaps: Sequence[float]) -> bool:
    return len(gaps) > 1 and abs(mean(gaps)) > _half_width(gaps)


def read_rows(path: Path, protocol: Protocol) -> list[dict[str, Any]]:
    """Return the trainings by `protocol` that a file holds; a line cut short is left out."""
    rows = []
    for line in path.read_text().splitlines() if path.exists() else ():
        with contextlib.suppress(json.JSONDecodeError):
            row = json.loads(line)
            if protocol._asdict().items() <= row.items():
                rows.append(row)
    return rows


def main() -> None:
    """Train what is not trained yet, then print the table."""
    parser = argparse.ArgumentParser(description="Which distillation losses help on CIFAR-10.")
    parser.add_argument("folder", type=Path, help="CIFAR-10 as class folders")
    parser.add_argument("--out", type=Path, required=True, help="folder of distillation.jsonl")
    parser.add_argument("--images", type=int, default=2000, help="to train on; all of the test images count")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--blocks", type=int, default=1, help="of the student in each stage; 4 are all")
    parser.add_argument("--seeds", type=int, default=3)
    known = names()
    parser.add_argument("--losses", nargs="+", default=known, choices=known, metavar="NAME", help=", ".join(known))
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread each")
    parser.add_argument("--table", action="store_true", help="print the table of what is there and train nothing")
    args = parser.parse_args()
    protocol = Protocol(args.images, args.epochs, args.batch_size, args.lr, args.blocks)
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "distillation.jsonl"
    done = {(row["name"], row["seed"]) for row in read_rows(path, protocol)}
    waiting = {seed: [n for n in args.losses if (n, seed) not in done] for seed in range(args.seeds)}
    recorded = args.out / "teacher-maps.npy"
    if any(waiting.values()) and not args.table:
        spawn, given = get_context("spawn"), (args.folder, args.images)
        with ProcessPoolExecutor(args.workers, spawn, prepare, given) as pool, path.open("a") as file:
            for seed, missing in waiting.items():
                if not missing:
                    continue
                pool.submit(record_seed, protocol, seed, recorded).result()
                for task in as_completed([pool.submit(train_one, n, protocol, seed, recorded) for n in missing]):
                    file.write(json.dumps(task.result()) + "\n")
                    file.flush()
                recorded.unlink()
    rows = [row for row in read_rows(path, protocol) if row["seed"] < args.seeds]
    print("\n".join(table_of(rows, args.losses)))


if __name__ == "__main__":
    main()
