import json
import random


def test_a_network_is_compressed_and_formats_compared(small_space, tmp_path, edgezoo):
    spec = tmp_path / "spec.json"
    spec.write_text(small_space.sample(random.Random(0)).to_json())
    arguments = (
        "compress", spec, "--data", "digits", "--image-size", 16, "--recipe", "train+int8", "--epochs", 2,
        "--out", tmp_path / "out", "--compare", "onnxruntime", "--max-drop", 100,
    )  # fmt: skip
    told = json.loads(edgezoo(*arguments, "--json").stdout)
    assert told["card"]["recipe"] == "train+int8" and told["card"]["measured_ms"] > 0
    assert {entry["dtype"] for entry in told["formats"]} == {"fp32", "int8"}
    assert told["fastest"] == told["formats"][0]["path"]
    text = edgezoo(*arguments).stdout
    assert "runs in float: /head" in text and " ms: onnxruntime has no int8 " in text
    assert "test accuracy" in text and "fastest within 100 points: onnxruntime" in text


def test_what_cannot_be_compressed_is_one_line(tmp_path, refused):
    rest = ("--data", "digits", "--out", tmp_path / "out")
    assert "mobilenetv3_small_050" in refused("compress", "mobilenetv3_small_05", *rest)
    assert "cannot read" in refused("compress", tmp_path / "none.json", *rest)
    assert "cannot read" in refused("compress", tmp_path, *rest)
    assert "unknown runtime" in refused("compress", "mobilenetv3_small_050", *rest, "--compare", "onnxruntme")
