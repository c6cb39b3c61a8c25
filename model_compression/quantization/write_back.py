"""What was learned goes back into the quantized file: scales, zero points, integer weights, int32 biases."""

from pathlib import Path

import numpy as np
import torch
from onnx import ModelProto, numpy_helper

from model_compression.errors import QuantizationError
from model_compression.quantization.affine import QuantParams
from model_compression.quantization.graph import QuantizedNetwork
from model_compression.quantization.onnx_graph import DEQUANTIZE, QUANTIZE, load_onnx, module_key
from zoo.files import write_atomic


def write_network(network: QuantizedNetwork, qdq_path: Path, out_path: Path) -> None:
    """Write `qdq_path`, which the network was read from, with the network's numbers to `out_path`; atomic.

    The written file is read again and each tensor compared. Raises QuantizationError naming the tensor where a number
    is not finite, a scale is not above 0, or the file is not that of the network.
    """
    model = load_onnx(qdq_path)
    tensors = quantized_tensors(network, model)
    for initializer in model.graph.initializer:
        if initializer.name in tensors:
            old, new = numpy_helper.to_array(initializer), tensors[initializer.name]
            if old.size != new.size:
                raise QuantizationError(f"tensor {initializer.name!r} has another size in {qdq_path.name}")
            new = new.astype(old.dtype).reshape(old.shape)
            tensors[initializer.name] = new
            initializer.CopyFrom(numpy_helper.from_array(new, initializer.name))
    write_atomic(out_path, model.SerializeToString())
    _check(tensors, out_path)


def quantized_tensors(network: QuantizedNetwork, model: ModelProto) -> dict[str, np.ndarray]:
    """Return all that the network says of the file's initializers, by name."""
    names = {initializer.name for initializer in model.graph.initializer}
    tensors: dict[str, np.ndarray] = {}
    for node in model.graph.node:
        if node.op_type not in (QUANTIZE, DEQUANTIZE):
            for name in node.input:  # of layers that stayed float
                if name in names and module_key(name) in network.weights:
                    tensors[name] = _finite(network.weights[module_key(name)], name)
            continue
        value, scale, zero_point = node.input
        key = module_key(value.removesuffix("_quantized"))
        if value not in names:
            params = _params(network, module_key(scale), scale)
            tensors |= {scale: _numpy(params.scale), zero_point: _numpy(params.zero_point)}
        elif key in network.bias_scales:
            activation, weight = (_params(network, name, scale) for name in network.bias_scales[key])
            tensors[scale] = _numpy(activation.scale * weight.scale)
            tensors[value] = _bias_integers(_finite(network.weights[key], value), tensors[scale])
        else:
            params = _params(network, key, scale)
            tensors |= {scale: _numpy(params.scale), zero_point: _numpy(params.zero_point)}
            tensors[value] = _weight_integers(network, key, params)
    return tensors


def _weight_integers(network: QuantizedNetwork, key: str, params: QuantParams) -> np.ndarray:
    """Return the integers that the network computes with, whichever way it rounds."""
    values = _finite(network.weights[key], key)
    rounding = network.quantizer(key).rounding or torch.round
    scale, zero_point = params.expanded(torch.from_numpy(values))
    with torch.no_grad():
        steps = network.weights[key].detach() * (1 / scale.to(network.weights[key].device))
        integers = rounding(steps).cpu().round() + zero_point.cpu()
    return _numpy(integers.clamp(params.grid.qmin, params.grid.qmax))


def _bias_integers(bias: np.ndarray, scale: np.ndarray) -> np.ndarray:
    limits = np.iinfo(np.int32)
    return np.clip(np.round(bias.astype(np.float64) / scale), limits.min, limits.max)


def _params(network: QuantizedNetwork, key: str, scale: str) -> QuantParams:
    if key not in network.quantizers:
        raise QuantizationError(f"tensor {scale!r} is not in the network, which was read from another file")
    params = network.quantizers[key].params()
    if not (params.scale.isfinite().all() and (params.scale > 0).all()):
        raise QuantizationError(f"tensor {scale!r} holds scales that are not above 0; learn them more slowly")
    return params


def _finite(parameter: torch.Tensor, name: str) -> np.ndarray:
    if not parameter.isfinite().all():
        raise QuantizationError(f"tensor {name!r} holds NaN or infinity; learn it more slowly")
    return _numpy(parameter)


def _numpy(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()


def _check(tensors: dict[str, np.ndarray], path: Path) -> None:
    """Raise QuantizationError for the first tensor that the file does not hold as meant."""
    written = {tensor.name: tensor for tensor in load_onnx(path).graph.initializer}
    for name, expected in tensors.items():
        if name not in written or not np.array_equal(numpy_helper.to_array(written[name]), expected):
            raise QuantizationError(f"tensor {name!r} in {path} is not what was to be written")
