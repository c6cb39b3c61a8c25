"""What XNNPACK's int8 kernels cannot take of a quantized network, said before the export: loading names no layer."""

import torch

from model_compression.errors import QuantizationError
from model_compression.export.qdq_module import Node, QdqModule

# of input times weight in units of the result, exclusive: checked when a file is loaded
_LARGEST_SCALE = 256.0
# of an input in units of the result, the higher one exclusive: taken for granted, and not checked in release builds
_ADD_SCALES = 2.0**-10, 2.0**8


def check_for_xnnpack(module: QdqModule) -> None:
    """Raise QuantizationError for the first operator that XNNPACK would refuse: in one line that names it."""
    for node in module.nodes():
        result = module.params_of(node.results[0])
        reads = module.params_read(node)
        if node.weight is not None:
            _check_weight(node)
            if result and reads[0]:
                largest = float(node.weight.scale.max()) * reads[0].scale / result.scale
                if largest >= _LARGEST_SCALE:
                    raise QuantizationError(
                        f"layer {node.name!r}: one step of its sums is {largest:.3g} steps of its result, and XNNPACK "
                        f"takes less than {_LARGEST_SCALE:g}; widen the result's range, or leave the layer in float"
                    )
        elif node.kind == "Add" and result:
            low, high = _ADD_SCALES
            for read in reads:
                if read and not low <= read.scale / result.scale < high:
                    raise QuantizationError(
                        f"node {node.name!r}: an input's step is {read.scale / result.scale:.3g} of the result's, and "
                        f"XNNPACK adds from {low:.3g} to below {high:g}; calibrate again, or leave it in float"
                    )


def _check_weight(node: Node) -> None:
    assert node.weight is not None
    if node.weight.integers.dtype != torch.int8 or node.weight.zero_point.any():
        raise QuantizationError(
            f"layer {node.name!r}: XNNPACK takes signed weights with zero point 0 only; quantize them symmetrically"
        )
    if node.weight.axis:
        raise QuantizationError(
            f"layer {node.name!r} is a {node.kind} whose output channels come last, which XNNPACK has no int8 form of; "
            "leave it in float or take another runtime"
        )
