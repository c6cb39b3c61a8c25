"""PyTorch modules to ExecuTorch programs for the XNNPACK backend, float and int8."""

import contextlib
import copy
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from latency_tables.errors import MeasurementError
from latency_tables.quiet import quiet
from zoo.errors import first_line

_WEIGHTED_KERNELS = {"aten::convolution.out", "aten::addmm.out", "aten::mm.out"}


def export_program(
    module: nn.Module,
    input_shape: tuple[int, int, int, int],
    path: Path,
    *,
    calibration: Sequence[np.ndarray] | None = None,
) -> None:
    """Write `module` as a program with a fixed `input_shape` (N, C, H, W), batch norm folded.

    Beside it, in a file of the same name ending in `.json`, go the paths of the modules whose convolutions and linear
    layers the program executes, in that order.

    Args:
        calibration: input batches (N, C, H, W) float32, whose value ranges become the activations' ranges: the
            program is int8 then, with symmetric weights per channel.

    Raises MeasurementError where an operator has no kernel, or a convolution or linear layer is left to slow ones.
    """
    if calibration is not None and not len(calibration):
        raise MeasurementError("no images to calibrate int8 with")
    image = torch.zeros(input_shape)
    try:
        # the exporter prints the graph of a network that it cannot take
        with quiet(), contextlib.redirect_stderr(io.StringIO()), torch.no_grad():
            network: nn.Module = copy.deepcopy(module).cpu().eval()
            if calibration is not None:
                network = _quantize(network, image, calibration)
            program, modules = _lower(network, image)
    except MeasurementError:
        raise
    except Exception as error:  # the exporter raises many kinds for one cause
        raise MeasurementError(f"executorch cannot take it: {first_line(error)}") from error
    path.write_bytes(program)
    path.with_suffix(".json").write_text(json.dumps(modules))


def _quantize(network: nn.Module, image: torch.Tensor, calibration: Sequence[np.ndarray]) -> nn.Module:
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    quantizer = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
    prepared = prepare_pt2e(torch.export.export(network, (image,)).module(), quantizer)
    for batch in calibration:
        prepared(torch.from_numpy(batch))
    return convert_pt2e(prepared)


def _lower(network: nn.Module, image: torch.Tensor) -> tuple[bytes, list[str]]:
    """Return the program and the modules of its convolutions and linear layers."""
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower
    from executorch.runtime import Runtime

    edge = to_edge_transform_and_lower(torch.export.export(network, (image,)), partitioner=[XnnpackPartitioner()])
    modules = _weighted_modules(edge.exported_program().graph_module)
    program = edge.to_executorch()
    left = {f"{op.name}.{op.overload}" for op in program.executorch_program.execution_plan[0].operators}
    if slow := sorted(left & _WEIGHTED_KERNELS):
        raise MeasurementError(f"executorch: XNNPACK does not take every {', '.join(slow)}; try another runtime")
    if missing := sorted(left - Runtime.get().operator_registry.operator_names):
        raise MeasurementError(f"executorch has no kernel for {', '.join(missing)}; try another runtime")
    return program.buffer, modules


def _weighted_modules(graph: Any) -> list[str]:
    from executorch.exir.delegate import executorch_call_delegate
    from executorch.exir.dialects._ops import ops

    aten = ops.edge.aten
    weighted = {aten.convolution.default, aten.linear.default, aten.addmm.default, aten.mm.default}
    calls = graph.graph.find_nodes(op="call_function", target=executorch_call_delegate)
    delegates = [getattr(graph, call.args[0].target).original_module for call in calls]
    nodes = [node for delegate in delegates for node in delegate.graph.nodes if node.target in weighted]
    return [[path for path, _ in node.meta["nn_module_stack"].values()][-1] for node in nodes]
