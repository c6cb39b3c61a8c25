"""PyTorch modules to ONNX files, float and int8."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from latency_tables.errors import MeasurementError
from latency_tables.machine import has_vnni
from latency_tables.quiet import quiet
from zoo.errors import first_line

INPUT_NAME, OUTPUT_NAME = "input", "logits"
OPSET = 17


def export_onnx(module: nn.Module, input_shape: tuple[int, int, int, int], path: Path) -> None:
    """Write `module` as ONNX with a fixed `input_shape` (N, C, H, W) and batch norm folded; atomic.

    The tracing exporter is used: on networks of this size it takes a quarter of a second where the other takes
    five, and its nodes carry the names of the modules. Raises MeasurementError where an operator has no ONNX form.
    """
    module = module.eval()
    parameter = next(module.parameters(), torch.empty(0))
    image = torch.zeros(input_shape, device=parameter.device)
    partial = path.with_suffix(".partial")
    try:
        with quiet(), torch.no_grad():
            torch.onnx.export(
                module,
                (image,),
                str(partial),
                dynamo=False,
                opset_version=OPSET,
                input_names=[INPUT_NAME],
                output_names=[OUTPUT_NAME],
            )
    except Exception as error:  # the exporter raises many kinds for one cause
        partial.unlink(missing_ok=True)
        raise MeasurementError(f"cannot be written as ONNX: {first_line(error)}") from error
    partial.replace(path)


def quantize_onnx(
    float_path: Path,
    path: Path,
    calibration: Sequence[np.ndarray],
    *,
    reduce_range: bool | None = None,
    excluded: Sequence[str] = (),
) -> None:
    """Write the int8 form of `float_path` as QDQ: unsigned activations, signed weights per channel; atomic.

    Args:
        calibration: input batches (N, C, H, W) float32, whose value ranges become the activations' ranges.
        reduce_range: 7-bit weights. None = where the processor lacks VNNI, whose 16-bit sums would saturate.
        excluded: names of nodes that stay float.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    if not len(calibration):
        raise MeasurementError("no images to calibrate int8 with")
    prepared, partial = path.with_suffix(".prepared"), path.with_suffix(".partial")
    try:
        with quiet():
            quant_pre_process(str(float_path), str(prepared), skip_symbolic_shape=True)
            quantize_static(
                str(prepared),
                str(partial),
                _CalibrationReader(calibration),
                quant_format=QuantFormat.QDQ,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                per_channel=True,
                reduce_range=not has_vnni() if reduce_range is None else reduce_range,
                calibrate_method=CalibrationMethod.MinMax,
                nodes_to_exclude=list(excluded),
            )
        partial.replace(path)
    finally:
        prepared.unlink(missing_ok=True)
        partial.unlink(missing_ok=True)


class _CalibrationReader:
    """Hands calibration batches to onnxruntime one by one."""

    def __init__(self, batches: Sequence[np.ndarray]) -> None:
        self._batches = iter(batches)

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT_NAME: batch}
