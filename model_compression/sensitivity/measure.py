"""The damage of every action on every layer, one at a time, and what it saves when measured."""

import copy
import hashlib
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from latency_tables import this_device
from latency_tables.node_names import module_path
from latency_tables.onnx_files import export_onnx
from model_compression.errors import QuantizationError
from model_compression.export.onnx import calibration_batches, network_inputs, spread
from model_compression.low_rank.decomposition import kernel_of
from model_compression.low_rank.layers import input_shapes
from model_compression.methods import method
from model_compression.pruning.channels import Shape
from model_compression.pruning.samples import labelled_batches
from model_compression.quantization.placement import place, set_weight_bits
from model_compression.quantization.sensitivity import divergences, measure_gains, sensitivities
from model_compression.recipe.stopwatch import MeasuredLatency, Stopwatch
from model_compression.sensitivity.report import (
    ACTIONS,
    Action,
    Effect,
    LayerFacts,
    SensitivityReport,
    load_sensitivity,
    with_effects,
)
from model_compression.sensitivity.variants import Variant, low_rank_variants, pruned_variants
from zoo.data import Splits
from zoo.data.splits import ImageSet
from zoo.errors import EdgezooError, first_line
from zoo.training import predict_scores


@method("sensitivity-report", "combined", paper="arXiv:2004.09602; arXiv:1608.08710")
def sensitivity_report(
    network: nn.Module,
    data: Splits,
    *,
    resolution: int,
    name: str = "",
    runtime: str = "onnxruntime",
    dtype: str = "int8",
    threads: int = 1,
    stopwatch: Stopwatch | None = None,
    actions: Sequence[Action] = ACTIONS,
    images: int = 256,
    seconds: float = math.inf,
    path: Path | None = None,
    on_effect: Callable[[int, int], None] | None = None,
) -> SensitivityReport:
    """Compress one layer at a time and tell the damage on validation images and the milliseconds saved.

    Quantization saves what onnxruntime's own profile says of a layer in float and in int8; channels and ranks what the
    whole network, measured in `dtype`, takes less. What cannot be done to a layer is not in the report.

    Args:
        stopwatch: what measures, `runtime` on this machine by default.
        images: validation images that the damage is told of, at most.
        seconds: begin no further action after so many.
        path: JSON file, written after each action; one of the same network, images and device is gone on with.
        on_effect: called with (effects known, all).

    Raises MeasurementError where the network itself cannot be run, ArtifactError where `path` holds something else.
    """
    deadline = time.monotonic() + seconds
    network, shape = network.eval(), (1, data.in_chans, resolution, resolution)
    held_out = spread(data.val, images)
    scores = predict_scores(network, held_out, data, resolution)
    batches = labelled_batches(data, resolution=resolution)
    variants = _variants(network, shape, batches, actions)
    layers = _layers(network, shape)
    names = {layer.name for layer in layers}
    bits = [action for action in actions if action.kind in ("int8", "weights", "activations")]
    device = this_device(runtime, dtype, threads)
    made_of = _digest(network, data.name, resolution, len(held_out), device.model_dump_json(), actions)
    watch = stopwatch or MeasuredLatency(runtime, dtype, threads)
    with watch.cost(shape) as cost:
        whole_ms = cost(network)
        report = _earlier(path, made_of) or SensitivityReport(
            made_of=made_of, network=name or type(network).__name__, data=data.name, images=len(held_out),
            accuracy=_accuracy(scores, held_out.labels), ms=whole_ms, device=device, layers=layers,
            planned=len(variants) + len(bits) * len(layers),
        )  # fmt: skip

        def note(effects: Sequence[Effect]) -> None:
            nonlocal report
            report = with_effects(report, [effect for effect in effects if effect.layer in names])
            if path:
                report.save(path)
            if on_effect:
                on_effect(len(report.effects), report.planned)

        missing = [action for action in bits if not any(e.action == action for e in report.effects)]
        if missing and not report.left_out:
            try:
                for effects in _quantized(network, data, resolution, held_out, missing, runtime, threads):
                    note(effects)
                    if time.monotonic() > deadline:
                        break
            except QuantizationError as error:
                report = report.model_copy(update={"left_out": (f"quantization: {first_line(error)}",)})
        for variant in variants:
            if time.monotonic() > deadline:
                break
            if report.effect(variant.layer, variant.action) is None:
                note([_effect(variant, scores, held_out, data, resolution, lambda n: whole_ms - cost(n))])
    if time.monotonic() <= deadline:  # some layers cannot be quantized
        report = report.model_copy(update={"planned": len(report.effects)})
    if path:
        report.save(path)
    return report


def _variants(
    network: nn.Module, shape: Shape, batches: Sequence[tuple[Tensor, Tensor]], actions: Sequence[Action]
) -> list[Variant]:
    """Return what is to be tried besides bits, an action on all layers before the next."""
    channels, ranks = ([a for a in actions if a.kind == kind] for kind in ("prune", "rank"))
    found = list(pruned_variants(network, shape, batches, channels)) if channels else []
    if ranks:
        found += low_rank_variants(network, shape, batches, ranks)
    return sorted(found, key=lambda variant: list(actions).index(variant.action))


def _effect(
    variant: Variant,
    before: Tensor,
    held_out: ImageSet,
    data: Splits,
    resolution: int,
    saved: Callable[[nn.Module], float],
) -> Effect:
    changed = variant.make()
    after = predict_scores(changed, held_out, data, resolution)
    try:
        ms = saved(changed)
    except EdgezooError:  # the runtime does not take it
        ms = None
    return Effect(
        layer=variant.layer,
        action=variant.action,
        divergence=float(divergences(before, after).mean()),
        accuracy_drop=_accuracy(before, held_out.labels) - _accuracy(after, held_out.labels),
        ms_saved=ms,
        others=variant.others,
    )


def _quantized(
    network: nn.Module,
    data: Splits,
    resolution: int,
    held_out: ImageSet,
    actions: Sequence[Action],
    runtime: str,
    threads: int,
) -> Iterator[list[Effect]]:
    """Give the effects of each of `actions` on all layers that are quantized."""
    inputs = torch.from_numpy(network_inputs(held_out, data, resolution))
    with tempfile.TemporaryDirectory(prefix="edgezoo-") as folder:
        float_path, path = Path(folder, "fp32.onnx"), Path(folder, "int8.onnx")
        export_onnx(network, (1, data.in_chans, resolution, resolution), float_path)
        placed = place(float_path, path, calibration_batches(data, resolution))
        gains = measure_gains(placed, float_path, path, threads=threads) if runtime == "onnxruntime" else {}
        for action in actions:
            work = copy.deepcopy(placed)
            if action.kind == "weights":
                set_weight_bits(work, int(action.level))
            part = "both" if action.kind == "int8" else action.kind
            found = sensitivities(work, inputs, held_out.labels, part=part)
            yield [
                Effect(
                    layer=module_path(s.layer),
                    action=action,
                    divergence=max(0.0, s.divergence),
                    accuracy_drop=s.accuracy_drop,
                    ms_saved=gains.get(s.layer) if action.kind == "int8" else None,
                )
                for s in found
            ]


def _layers(network: nn.Module, shape: Shape) -> tuple[LayerFacts, ...]:
    named = {n: layer for n, layer in network.named_modules() if isinstance(layer, nn.Conv2d | nn.Linear)}
    running = input_shapes(network, shape, list(named))
    return tuple(
        LayerFacts(name=name, what=_words(layer), params=sum(p.numel() for p in layer.parameters()))
        for name, layer in named.items()
        if name in running
    )


def _words(layer: nn.Module) -> str:
    if isinstance(layer, nn.Linear):
        return f"linear, {layer.in_features} to {layer.out_features}"
    assert isinstance(layer, nn.Conv2d)
    height, width = kernel_of(layer)
    if layer.groups == layer.in_channels > 1:
        return f"depthwise {height}x{width}, {layer.out_channels}"
    grouped = f" in {layer.groups} groups" if layer.groups > 1 else ""
    return f"conv {height}x{width}{grouped}, {layer.in_channels} to {layer.out_channels}"


def _accuracy(scores: Tensor, labels: Tensor) -> float:
    return float((scores.argmax(1) == labels).float().mean())


def _digest(network: nn.Module, *rest: object) -> str:
    digest = hashlib.sha256(f"{network} {rest}".encode())
    for key, tensor in network.state_dict().items():
        digest.update(key.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _earlier(path: Path | None, made_of: str) -> SensitivityReport | None:
    if path is None or not path.exists():
        return None
    report = load_sensitivity(path)
    return report if report.made_of == made_of else None
