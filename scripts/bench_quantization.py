"""Quantize EfficientNet-Lite0 with its real weights on 250 real photographs. Prints Markdown tables.

usage: EDGEZOO_DATA=FOLDER python scripts/bench_quantization.py --out build/quantization

FOLDER holds imagenet-250.zip: half of the photographs calibrate, the others judge. They are probably among those that
the weights were trained on: compare the rows, and take none for an accuracy on ImageNet. All files are judged in
onnxruntime. OUT keeps each finished row; a stopped run goes on. Latencies are measured at the end, in turns: leave the
machine alone.
"""

import argparse
import io
import json
import os
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

import zoo
from latency_tables import get_runtime
from latency_tables.bench import Bench
from latency_tables.measurement import summarize, time_in_turns
from latency_tables.onnx_files import export_onnx
from model_compression.export.formats import SideBySide
from model_compression.quantization.bias_correction import correct_biases
from model_compression.quantization.calibration_search import Gate, search_calibration
from model_compression.quantization.lint import float_operators, optimized_graph
from model_compression.quantization.placement import PlacementOptions, place
from model_compression.quantization.reconstruction import reconstruct
from model_compression.quantization.write_back import write_network
from zoo.files import write_atomic
from zoo.timm_import import timm

NETWORK, SHAPE = "efficientnet_lite0", (1, 3, 224, 224)
BATCH = 25
Rows = dict[str, dict[str, Any]]


def photographs() -> tuple[Tensor, Tensor]:
    """Return all photographs as the network sees them, and their classes, in a fixed random order."""
    prepare = timm.data.create_transform(224, interpolation="bicubic", crop_pct=0.875, mean=(0.5,) * 3, std=(0.5,) * 3)
    images, labels = [], []
    with zipfile.ZipFile(Path(os.environ["EDGEZOO_DATA"]) / "imagenet-250.zip") as file:
        for name in sorted(file.namelist()):
            images.append(prepare(Image.open(io.BytesIO(file.read(name))).convert("RGB")))
            labels.append(int(name.partition("_")[0]))
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    return torch.stack(images)[order], torch.tensor(labels)[order]


def judge(path: Path, images: Tensor, labels: Tensor, expected: np.ndarray | None) -> tuple[dict[str, Any], np.ndarray]:
    """Return the row of one file, and its scores."""
    scores = get_runtime("onnxruntime").load(path, SHAPE, dtype="fp32", threads=2).predict(images.numpy())
    classes = scores.argmax(1)
    operators = [node.op_type for node in optimized_graph(path).graph.node]
    fused = operators.count("QLinearConv")
    row = {
        "accuracy": float((classes == labels.numpy()).mean()),
        "agreement": float((classes == (scores if expected is None else expected).argmax(1)).mean()),
        "convolutions": f"{fused} of {sum('Conv' in operator for operator in operators)}",
        "float": len(float_operators(path)) if fused else 0,
    }
    return row, scores


def latencies(module: torch.nn.Module, files: dict[str, Path]) -> dict[str, float]:
    """Return median milliseconds of eager PyTorch and of the files, one thread, timed in turns.

    The float file and the searched one run in OpenVINO too.
    """
    benches = {"torch eager": Bench("torch", "fp32", 1)}
    benches["torch eager"].add("net", module, SHAPE)
    runs = [(name, "onnxruntime", path) for name, path in files.items()]
    runs += [(f"{name}, in OpenVINO", "openvino", files[name]) for name in ("fp32", "int8, searched") if name in files]
    for name, runtime, path in runs:
        benches[name] = Bench(runtime, "fp32", 1)
        benches[name].add_file("net", path, SHAPE)
    try:
        timed = time_in_turns(SideBySide(benches), list(benches), seconds_each=20)
    finally:
        for bench in benches.values():
            bench.close()
    return {name: summarize(samples).median_ms for name, samples in timed.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description="Quantize EfficientNet-Lite0.")
    parser.add_argument("--out", type=Path, default=Path("build/quantization"))
    parser.add_argument("--seconds", type=float, default=570.0, help="most for the reconstruction")
    parser.add_argument("--no-latency", action="store_true")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    images, labels = photographs()
    half = len(labels) // 2
    calibration, held, truth = images[:half], images[half:], labels[half:]
    one_by_one, batches = list(calibration[:, None].numpy()), calibration.split(BATCH)
    module = zoo.deploy(zoo.create_model(NETWORK, pretrained=True).eval())
    float_path = args.out / "fp32.onnx"
    export_onnx(module, SHAPE, float_path)
    record = args.out / "rows.json"
    rows: Rows = json.loads(record.read_text()) if record.exists() else {}
    _, expected = judge(float_path, held, truth, None)

    def add(name: str, make: Callable[[Path], object]) -> None:
        path = args.out / f"{name.replace(' ', '-').replace(',', '')}.onnx"
        if name not in rows:
            started = time.monotonic()
            make(path)
            seconds = time.monotonic() - started
            rows[name] = judge(path, held, truth, expected)[0] | {"seconds": round(seconds, 1), "file": path.name}
            write_atomic(record, json.dumps(rows, indent=1))
            print(name, rows[name], flush=True)

    def searched(path: Path) -> None:
        network = place(float_path, path, one_by_one)
        # the choice is made on calibration images that gave no ranges
        table = search_calibration(
            network, batches[:-1], batches[-1:], labels=labels[half - len(batches[-1]) : half],
            gate=Gate(least_agreement=0.98),
        )  # fmt: skip
        for choice in table.choices:
            print("  ", choice, flush=True)
        write_network(network, path, path)

    def corrected(path: Path) -> None:
        network = place(float_path, path, one_by_one)
        correct_biases(network, calibration[:64])
        write_network(network, path, path)

    def in_four_bits(path: Path) -> None:
        place(float_path, path, one_by_one, PlacementOptions(weight_bits=4))

    def learned(path: Path) -> None:
        network = place(float_path, path, one_by_one, PlacementOptions(weight_bits=4))
        reconstruct(network, calibration, method="adaround", seconds=args.seconds, folder=args.out / "adaround")
        write_network(network, path, path)

    add("fp32", lambda path: path.write_bytes(float_path.read_bytes()))
    add("int8, min-max", lambda path: place(float_path, path, one_by_one))
    add("int8, searched", searched)
    add("int8, bias correction", corrected)
    add("W4A8, nearest", in_four_bits)
    add("W4A8, AdaRound", learned)
    print("| file | top-1 % | drop points | agreement % | convolutions in int8 | other float operators | seconds |")
    print("|---|---|---|---|---|---|---|")
    for name, row in rows.items():
        print(
            f"| {name} | {100 * row['accuracy']:.1f} | {100 * (rows['fp32']['accuracy'] - row['accuracy']):.1f} | "
            f"{100 * row['agreement']:.1f} | {row['convolutions']} | {row['float']} | {row['seconds']} |"
        )
    if args.no_latency:
        return
    found = latencies(module, {name: args.out / rows[name]["file"] for name in rows})
    print("\n| one thread, batch 1 | median ms | times faster than fp32 | than eager |\n|---|---|---|---|")
    for name, ms in found.items():
        print(f"| {name} | {ms:.2f} | {found['fp32'] / ms:.2f} | {found['torch eager'] / ms:.2f} |")


if __name__ == "__main__":
    main()
