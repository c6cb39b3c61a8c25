import argparse
import json
import os
import sys
from pathlib import Path

import pytest
import torch

from zoo.data import ImageSet, Splits

ROOT = Path(__file__).parents[2]
_WEIGHTS = Path(os.environ.get("EDGEZOO_DATA", "")) / "resnet56-cifar10.safetensors"


@pytest.fixture
def script(import_script):
    return import_script("bench_low_rank")


def test_its_tables_have_a_row_for_each_method(script, tmp_path, monkeypatch, capsys):
    options = ["--networks", "resnet18", "--kinds", "svd", "tucker", "--size", "32", "--no-latency", "--no-global"]
    monkeypatch.setattr(sys, "argv", ["bench_low_rank.py", "--out", str(tmp_path), *options])
    script.main()
    rows = json.loads((tmp_path / "low-rank.json").read_text())["resnet18"]
    assert list(rows) == ["original", "svd", "tucker"]
    assert rows["tucker"]["macs"] < rows["original"]["macs"] / 2
    table = capsys.readouterr().out.partition("| method |")[2]
    assert "| tucker |  |  |  |  | " in table


def test_a_network_whose_images_are_missing_is_met_in_one_line(script, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bench_low_rank.py"])
    with pytest.raises(SystemExit):
        script.main()
    assert "needs --cifar; name other --networks" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(
    not _WEIGHTS.is_file(), reason="needs resnet56-cifar10.safetensors in the folder that EDGEZOO_DATA names"
)
def test_trained_weights_are_fitted_to_images_and_judged(script):
    images = torch.randint(0, 256, (40, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    part = ImageSet(images, torch.arange(40) % 10)
    data = Splits("noise", part, part, part, tuple("abcdefghij"), flip=True)
    args = argparse.Namespace(
        size=None, share=0.5, multiple=8, images=16, kinds=["separable", "tucker"], epochs=0, seconds=1.0,
        no_latency=True, no_global=False,
    )  # fmt: skip
    rows = script.run("resnet56", data, args)
    assert list(rows) == [
        "original", "separable", "tucker", "separable, data-aware", "tucker, data-aware", "global ranks, data-aware",
    ]  # fmt: skip
    assert all(0 <= row["top1"] <= row["top5"] <= 1 for row in rows.values())
    layers = rows["global ranks, data-aware"]["factors"]
    assert layers
    assert {factors["kind"] for factors in layers.values()} <= {"separable", "tucker"}
