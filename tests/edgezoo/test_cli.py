import json
import subprocess
import sys

import pytest
from PIL import Image


def _run(tmp_path, **changes):
    options = {"data": "digits", "budget-ms": 1, "out": tmp_path / "run"} | changes
    return ["run", *(part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", value))]


def test_the_command_is_a_program_with_one_line_on_failure():
    command = [sys.executable, "-m", "edgezoo.cli", "models", "show", "ghostnet_10"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 1 and not result.stdout
    assert result.stderr.startswith("error: unknown model 'ghostnet_10'") and result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": "digit"}, "unknown data set 'digit'; did you mean 'digits'?"),
        ({"data": "folder:/nowhere"}, "/nowhere is not a folder"),
        ({"data": "torchvision:CIFAR"}, "did you mean 'CIFAR10'"),
        ({"runtime": "onnxrntime"}, "unknown runtime 'onnxrntime'; did you mean 'onnxruntime'?"),
        ({"dtype": "int4"}, "runtime 'onnxruntime' has no dtype 'int4'; it has fp32, int8"),
        ({"space": "tinny"}, "unknown space 'tinny'; did you mean 'tiny'?"),
        ({"teacher": "timm/resnet10"}, "timm/resnet10t"),
    ],
)
def test_a_wrong_name_is_one_line_with_near_names(tmp_path, changes, message, refused):
    assert message in refused(*_run(tmp_path, **changes))
    assert not (tmp_path / "run" / "settings.json").exists()


def test_a_device_that_is_none_or_does_not_answer_is_one_line(refused):
    line = refused("latency", "measure", "mobilenetv1_025", "--device", "ssh://-oX=y")
    assert "it is 'local' or ssh://[user@]host[:port][/path/of/python]" in line
    assert "cannot reach ssh://127.0.0.1:1" in refused("latency", "runtimes", "--device", "ssh://127.0.0.1:1")


def _images(folder, classes, count=12, size=(20, 20)):
    for index, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            Image.new("RGB", size, (40 * index, 10 * i, 90)).save(folder / name / f"{i}.png")


def test_a_folder_that_cannot_be_trained_on_is_one_line(tmp_path, refused):
    (tmp_path / "empty").mkdir()
    assert "no class folders" in refused(*_run(tmp_path, data=f"folder:{tmp_path / 'empty'}"))
    _images(tmp_path / "one", ["cat"])
    assert "one class only ('cat')" in refused(*_run(tmp_path, data=f"folder:{tmp_path / 'one'}"))
    _images(tmp_path / "bad", ["cat", "dog"])
    (tmp_path / "bad" / "dog" / "3.png").write_bytes(b"not an image")
    assert "dog/3.png cannot be read" in refused(*_run(tmp_path, data=f"folder:{tmp_path / 'bad'}"))


def test_bad_usage_exits_with_two(edgezoo):
    assert edgezoo("run", "--data", "digits").returncode == 2
    assert edgezoo("frobnicate").returncode == 2
    assert edgezoo("run", "--data", "digits", "--budget-ms", "-1", "--out", "x").returncode == 2


def test_models_are_listed_and_shown(edgezoo, refused):
    listed = json.loads(edgezoo("models", "list", "ghostnet_1*", "--json").stdout)
    assert [m["name"] for m in listed] == ["ghostnet_100", "ghostnet_130"]
    shown = edgezoo("models", "show", "squeezenet1_1").stdout
    assert "1,235,496 parameters" in shown and shown.count("\nfire ") == 8
    assert "4: 1 max_pool, 4 fire" in shown
    assert "'ghostnet_100'" in refused("models", "show", "ghostnet_10")


def test_spaces_runtimes_and_doctor_answer(edgezoo):
    assert set(json.loads(edgezoo("search", "spaces", "--json").stdout)) >= {"tiny", "mobile"}
    runtimes = json.loads(edgezoo("latency", "runtimes", "--json").stdout)
    assert runtimes["onnxruntime"]["dtypes"] == ["fp32", "int8"]
    assert "runtime onnxruntime" in edgezoo("doctor").stdout


def test_latency_of_a_spec_is_measured_and_predicted(small_table, small_space, tmp_path, edgezoo, refused):
    import random

    (tmp_path / "spec.json").write_text(small_space.sample(random.Random(0)).to_json())
    measured = json.loads(edgezoo("latency", "measure", tmp_path / "spec.json", "--json").stdout)
    assert measured["median_ms"] > 0
    small_table.save(tmp_path / "table.json")
    estimate = json.loads(
        edgezoo("latency", "predict", tmp_path / "table.json", tmp_path / "spec.json", "--json").stdout
    )
    assert estimate["low_ms"] <= estimate["ms"] <= estimate["high_ms"]
    assert "cannot read" in refused("latency", "show", tmp_path / "none.json")
    (tmp_path / "spec.json").write_text("{}")
    assert "resolution: Field required" in refused("latency", "measure", tmp_path / "spec.json")


def test_tables_are_shown_compared_joined_and_exported(small_table, tmp_path, edgezoo, refused):
    first, second, both = (tmp_path / f"{name}.json" for name in ("first", "second", "both"))
    half = len(small_table.observations) // 2
    small_table.replace(observations=small_table.observations[:half]).save(first)
    small_table.replace(observations=small_table.observations[half:]).save(second)
    assert "Conv nchwc" in edgezoo("latency", "show", first).stdout
    compared = json.loads(edgezoo("latency", "diff", first, second, "--json").stdout)
    assert compared["device"] == [] and compared["measured"] == 0
    joined = json.loads(edgezoo("latency", "merge", first, second, "--out", both, "--json").stdout)
    assert joined["networks"] == len(small_table.observations)
    assert edgezoo("latency", "export", both, "--out", tmp_path / "kernels.csv").returncode == 0
    assert (tmp_path / "kernels.csv").read_text().startswith("key,executed,ms")
    small_table.replace(batch=2).save(second)
    assert "batch" in refused("latency", "merge", first, second, "--out", both)
    assert "no network of the zoo matches" in refused("latency", "build", "--out", both, "--also", "no_such@32")
    assert "not a latency table" in refused("latency", "diff", first, tmp_path / "kernels.csv")
