import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import ttest_rel

from zoo.data import ImageSet, Splits
from zoo.training import TrainConfig, train

ROOT = Path(__file__).parents[2]
_WEIGHTS = Path(os.environ.get("EDGEZOO_DATA", "")) / "resnet56-cifar10.safetensors"
needs_teacher = pytest.mark.skipif(
    not _WEIGHTS.is_file(), reason="needs resnet56-cifar10.safetensors in the folder that EDGEZOO_DATA names"
)


def _noise(count):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=generator)
    part = ImageSet(images, torch.arange(count) % 10)
    return Splits("noise", part, part, part, tuple("abcdefghij"), flip=True)


@needs_teacher
def test_what_is_read_is_what_the_teacher_says_of_every_image_of_a_training(import_script, tmp_path):
    data, config = _noise(70), TrainConfig(epochs=2, batch_size=32, seed=3)
    average, deviation = data.statistics()
    teacher = import_script("cifar_resnet").load_cifar_resnet(_WEIGHTS, mean=average, std=deviation)
    module = import_script("recorded_teacher")
    module.record(teacher, data, config, tmp_path / "maps.npy")
    replayed = module.RecordedTeacher(tmp_path / "maps.npy", teacher.network.linear)
    student, seen = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3072, 10)), []

    def loss(scores, labels, images):
        with torch.no_grad():
            torch.testing.assert_close(replayed(images), teacher(images))
        seen.append(len(images))
        return scores.square().mean()

    train(student, data, config, resolution=32, loss=loss)
    assert sum(seen) == 140
    with pytest.raises(ValueError, match="not those that were recorded"):
        replayed(torch.ones(2, 3, 32, 32))


@needs_teacher
@pytest.mark.slow
@pytest.mark.parametrize(("depth", "published"), [(20, 0.9173), (56, 0.9339)])
def test_teachers_have_their_published_accuracy(import_script, depth, published):
    import io
    import zipfile

    folder = _WEIGHTS.parent
    archive = folder / "cifar10-test.zip"
    with zipfile.ZipFile(archive) as file:
        chosen = [name for name in file.namelist() if not name.endswith("/")]
        pixels = np.stack([np.asarray(Image.open(io.BytesIO(file.read(n))).convert("RGB")) for n in chosen])
    classes = sorted({Path(name).parent.name for name in chosen})
    labels = torch.tensor([classes.index(Path(name).parent.name) for name in chosen])
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    half = {"mean": (0.5,) * 3, "std": (0.25,) * 3}
    network = import_script("cifar_resnet").load_cifar_resnet(folder / f"resnet{depth}-cifar10.safetensors", **half)
    with torch.no_grad():
        found = torch.cat([network((chunk - 0.5) / 0.25).argmax(1) for chunk in images.split(250)])
    assert (found == labels).float().mean().item() == pytest.approx(published, abs=1e-4)


def test_the_table_is_sorted_and_counts_only_seeds_that_all_have(import_script):
    bench, rng = import_script("bench_distillation"), random.Random(0)
    base = {"no teacher": 0.50, "kd": 0.55, "kd + at": 0.45}
    rows = [{"name": name, "seed": seed, "accuracy": round(value + rng.gauss(0, 0.01), 4), "seconds": 1.0}
            for seed in range(4) for name, value in base.items()]  # fmt: skip
    rows.append({"name": "kd", "seed": 4, "accuracy": 0.99, "seconds": 1.0})
    lines = list(bench.table_of(rows, list(base)))
    assert [line.split("|")[1].strip(" `") for line in lines[2:5]] == ["kd", "no teacher", "kd + at"]
    by_name = {name: [100 * row["accuracy"] for row in rows[:12] if row["name"] == name] for name in base}
    interval = ttest_rel(by_name["kd + at"], by_name["kd"]).confidence_interval()
    shown = re.findall(r"[-+]?\d+\.\d+", lines[4])
    expected = [np.mean(by_name["kd + at"]), np.std(by_name["kd + at"], ddof=1)]
    assert [float(x) for x in shown[:2]] == pytest.approx(expected, abs=0.006)
    difference, half = float(shown[4]), float(shown[5])
    assert (difference - half, difference + half) == pytest.approx((interval.low, interval.high), abs=0.011)
    assert "Worse than no teacher: kd + at." in lines and "Worse than kd: kd + at." in lines


def test_a_failed_training_is_told_of(import_script):
    rows = [{"name": "no teacher", "seed": 0, "accuracy": 0.5, "seconds": 1.0},
            {"name": "kd", "seed": 0, "failure": "the loss became nan in epoch 1", "seconds": 1.0}]  # fmt: skip
    lines = list(import_script("bench_distillation").table_of(rows, ["no teacher", "kd"]))
    assert lines[-1] == "kd failed: the loss became nan in epoch 1"


@needs_teacher
@pytest.mark.slow
def test_a_second_run_finds_everything_done_and_prints_the_same_table(tmp_path):
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        for name in "abcdefghij":
            (tmp_path / part / name).mkdir(parents=True)
            for index in range(10):
                pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / part / name / f"{index}.png")
    command = [sys.executable, str(ROOT / "scripts" / "bench_distillation.py"), str(tmp_path), "--images", "64"]
    command += ["--epochs", "1", "--seeds", "1", "--losses", "no teacher", "kd", "kd + fitnet"]
    command += ["--out", str(tmp_path / "out")]
    first, second = (subprocess.run(command, check=True, capture_output=True, text=True).stdout for _ in range(2))
    assert first == second and first.count("\n| ") >= 3
    rows = [json.loads(line) for line in (tmp_path / "out" / "distillation.jsonl").read_text().splitlines()]
    assert len(rows) == 3 and all(row["accuracy"] >= 0 for row in rows)
