"""Time int8 files of QAT, LSQ and AdaRound beside onnxruntime's own, and every format of one network. Prints Markdown.

usage: python scripts/bench_quantized_exports.py --out build/quantized-exports

Weights are random and learn from noise for a few steps: how long a file takes does not depend on its numbers, how
accurate it is does, and is not told here. The files of one network are timed in turns, and so are the formats: leave
the machine alone. OUT keeps the files of the first part; a stopped run goes on. Alone on two cores the whole takes
about ten minutes; --networks, --formats and --seconds make it shorter, --small tries everything in a minute or two.
"""

import argparse
import random
from pathlib import Path

import torch
from torch import nn

import zoo
from latency_tables.bench import Bench
from latency_tables.measurement import common_reference_ms, summarize, time_in_turns
from latency_tables.onnx_files import export_onnx, quantize_onnx
from model_compression.export.formats import shipped_formats, try_formats
from model_compression.export.onnx import calibration_batches
from model_compression.quantization.lint import float_operators, optimized_graph
from model_compression.quantization.onnx_graph import load_onnx
from model_compression.quantization.placement import place
from model_compression.quantization.qat import QatConfig, train_quantized
from model_compression.quantization.reconstruction import reconstruct
from model_compression.quantization.write_back import write_network
from search import SPACES
from zoo.data import Splits
from zoo.data.splits import ImageSet
from zoo.files import write_atomic

SEARCHED = "searched"
NETWORKS = ("mobilenetv2_100", "efficientnet_lite0", "timm/resnet18", SEARCHED)
NATIVE, FLOAT, LEARNED = "native int8", "fp32", ("QAT", "LSQ", "AdaRound")
CHOSEN_FOR = "mobilenetv3_small_100"
CLASSES = 10


def noise(resolution: int) -> Splits:
    """Return a few random images as a data set."""
    generator = torch.Generator().manual_seed(0)

    def part(count: int) -> ImageSet:
        images = torch.randint(256, (count, 3, resolution, resolution), generator=generator, dtype=torch.uint8)
        return ImageSet(images, torch.arange(count) % CLASSES)

    return Splits("noise", part(8), part(4), part(4), tuple(map(str, range(CLASSES))), flip=False)


def build(name: str, spec: Path | None) -> nn.Module:
    """Return a network with random weights in the form that ships; a draw from the mobile space for the searched."""
    if name != SEARCHED:
        network = zoo.create_model(name, num_classes=CLASSES)
    elif spec:
        network = zoo.ArchSpec.from_json(spec.read_text()).build(CLASSES, 3, seed=0)
    else:
        network = SPACES.get("mobile").sample(random.Random(0)).build(CLASSES, 3, seed=0)
    for layer in network.modules():
        if isinstance(layer, nn.Linear):  # which start at zero: nothing would be left to learn from
            nn.init.normal_(layer.weight, 0, 0.1)
    return zoo.deploy(network.eval()) if isinstance(network, zoo.Network) else network.eval()


def write_files(name: str, network: nn.Module, data: Splits, resolution: int, folder: Path) -> dict[str, Path]:
    """Return the files of a network by what they are, those that are not there made."""
    files = {what: folder / f"{what.replace(' ', '-')}.onnx" for what in (FLOAT, NATIVE, *LEARNED)}
    batches = calibration_batches(data, resolution)
    if not files[FLOAT].exists():
        folder.mkdir(parents=True, exist_ok=True)
        export_onnx(network, (1, 3, resolution, resolution), files[FLOAT])
    if not files[NATIVE].exists():
        quantize_onnx(files[FLOAT], files[NATIVE], batches)
    for what in LEARNED:
        if files[what].exists():
            continue
        print(f"{name}: {what}", flush=True)
        placed = folder / "placed.onnx"
        quantized = place(files[FLOAT], placed, batches)
        if what == "AdaRound":
            reconstruct(quantized, torch.cat([torch.from_numpy(batch) for batch in batches]), seconds=10)
        else:
            scales = "lsq" if what == "LSQ" else "fixed"
            train_quantized(quantized, data, QatConfig(epochs=1, batch_size=4, scales=scales), resolution=resolution)
        write_network(quantized, placed, placed)
        placed.replace(files[what])
    return files


def fused(files: dict[str, Path]) -> int:
    """Return how many convolutions onnxruntime runs in int8 in each quantized file; all must."""
    wanted = sum(node.op_type == "Conv" for node in load_onnx(files[FLOAT]).graph.node)
    for what in (NATIVE, *LEARNED):
        found = sum(node.op_type == "QLinearConv" for node in optimized_graph(files[what]).graph.node)
        left = [finding.name for finding in float_operators(files[what]) if "Conv" in finding.operator]
        if left or found != wanted:
            raise SystemExit(f"{files[what]}: {found} of {wanted} convolutions run in int8; in float: {left}")
    return wanted


def compare_files(args: argparse.Namespace, data: Splits) -> list[str]:
    """Return the lines of the table that compares learned files with the native ones."""
    lines = [
        f"| one thread, batch 1, {args.resolution} pixels | QLinearConv | {NATIVE} ms | "
        + " | ".join(f"{what}, times" for what in (*LEARNED, FLOAT))
        + " |",
        "|" + "---|" * (4 + len(LEARNED)),
    ]
    for name in args.networks:
        folder = args.out / name.replace("/", "-") / str(args.resolution)
        files = write_files(name, build(name, args.spec), data, args.resolution, folder)
        count = fused(files)
        with Bench("onnxruntime", "int8") as bench:
            for what, path in files.items():
                bench.add_file(what, path)
            timed = time_in_turns(bench, list(files), seconds_each=args.seconds)
        pace = common_reference_ms(timed.values())
        found = {what: summarize(samples, reference_ms=pace).median_ms for what, samples in timed.items()}
        ratios = " | ".join(f"{found[what] / found[NATIVE]:.3f}" for what in (*LEARNED, FLOAT))
        lines.append(f"| {name} | {count} of {count} | {found[NATIVE]:.2f} | {ratios} |")
        print(lines[-1], flush=True)
    return lines


def compare_formats(args: argparse.Namespace, data: Splits) -> list[str]:
    """Return the lines of the table of every format of one network, the fastest first."""
    wanted = [pair for runtime in args.formats for pair in shipped_formats(runtime)]
    found = try_formats(
        build(CHOSEN_FOR, None), data, resolution=args.resolution, folder=args.out / "formats", formats=wanted,
        seconds_each=args.seconds, on_format=lambda entry: print(entry.runtime, entry.dtype, entry.error, flush=True),
    )  # fmt: skip
    lines = [f"| {CHOSEN_FOR}, {args.resolution} pixels | median ms | 95 % interval |", "|---|---|---|"]
    for entry in found:
        told = entry.error or f"{entry.low_ms:.3f} to {entry.high_ms:.3f}"
        lines.append(f"| {entry.runtime} {entry.dtype} | {entry.median_ms:.3f} | {told} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description="Time quantized files beside the native ones, and all formats.")
    parser.add_argument("--out", type=Path, default=Path("build/quantized-exports"))
    parser.add_argument("--networks", nargs="*", default=NETWORKS, help="none leaves this part out")
    parser.add_argument("--spec", type=Path, help="the searched network as JSON; by default a draw from space mobile")
    parser.add_argument("--formats", nargs="*", default=["*"], help="runtimes, none leaves this part out")
    parser.add_argument("--resolution", type=int, default=224)
    parser.add_argument("--seconds", type=float, default=8.0, help="spent on timing each file, at most")
    parser.add_argument("--small", action="store_true", help="64 pixels and a tenth of a second: only to try it")
    args = parser.parse_args()
    if args.small:
        args.resolution, args.seconds = 64, 0.1
    data = noise(args.resolution)
    lines = []
    if args.networks:
        lines += [*compare_files(args, data), ""]
    if args.formats:
        lines += compare_formats(args, data)
    write_atomic(args.out / "tables.md", "\n".join(lines) + "\n")
    print("\n" + "\n".join(lines))


if __name__ == "__main__":
    main()
