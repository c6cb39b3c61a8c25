"""Quantization to int8, at last with the most sensitive layers in float."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from latency_tables import get_runtime
from latency_tables.onnx_files import export_onnx, quantize_onnx
from model_compression.errors import RecipeError
from model_compression.export.onnx import calibration_batches, evaluate_session, network_inputs, spread
from model_compression.quantization.bias_correction import correct_biases
from model_compression.quantization.calibration_search import search_calibration
from model_compression.quantization.graph import QuantizedNetwork
from model_compression.quantization.mixed_precision import fall_back
from model_compression.quantization.placement import PlacementOptions, place
from model_compression.quantization.qat import QatConfig, train_quantized
from model_compression.quantization.reconstruction import reconstruct
from model_compression.quantization.sensitivity import sensitivities
from model_compression.quantization.write_back import write_network
from model_compression.recipe.step import STEPS, Job, Step
from model_compression.recipe.structure import Compressed

_JUDGING_IMAGES = 512
QuantizationMethod = Literal[
    "min-max", "search", "bias-correction", "adaround", "adaquant", "brecq", "qdrop", "qat", "lsq"
]


@STEPS.register("quantize")
class Quantize(Step):
    """Quantize weights and activations; the last step of a recipe.

    Attributes:
        method: how ranges and integers are found.
        weight_bits: 2 to 8, stored as int8; by default 8, or 7 where the processor lacks VNNI.
        epochs: of `qat` and `lsq`.
        fallback: leave as many layers in float as it takes to lose no more than `max_drop` on training images.
    """

    step: Literal["quantize"] = "quantize"
    method: QuantizationMethod = "min-max"
    weight_bits: Annotated[int, Field(ge=2, le=8)] | None = None
    epochs: Annotated[int, Field(ge=1, le=1000)] = 2
    fallback: bool = False

    def apply(self, before: Compressed, job: Job) -> Compressed:
        """Return the network with a quantized file beside it."""
        if before.file is not None:
            raise RecipeError("the network is quantized already")
        folder = job.folder / "steps"
        folder.mkdir(parents=True, exist_ok=True)
        float_path, path = folder / "quantize-fp32.onnx", folder / "quantize-int8.onnx"
        export_onnx(before.network, job.shape(before), float_path)
        batches = calibration_batches(job.data, before.spec.resolution)
        if self.method == "min-max" and not self.weight_bits and not self.fallback:
            # the runtime's own quantizer takes operators that our reader of its files does not
            quantize_onnx(float_path, path, batches)
            return dataclasses.replace(before, file=path)

        def quantize(excluded: tuple[str, ...]) -> QuantizedNetwork:
            options = PlacementOptions(excluded=excluded, weight_bits=self.weight_bits)
            network = place(float_path, path, batches, options)
            self._learn(network, torch.from_numpy(np.concatenate(batches)), job, before.spec.resolution)
            write_network(network, path, path)
            return network

        network = quantize(())
        if self.fallback:
            quantize(self._kept_float(network, quantize, float_path, path, job, before.spec.resolution))
        return dataclasses.replace(before, file=path)

    def softened(self) -> Self | None:
        """Return the step with a calibration search, then the one with layers in float."""
        if self.method == "min-max":
            return self.model_copy(update={"method": "search"})
        return None if self.fallback else self.model_copy(update={"fallback": True})

    def _learn(self, network: QuantizedNetwork, images: Tensor, job: Job, resolution: int) -> None:
        """Find ranges and integers of a placed network by the method, in place."""
        if self.method == "search":
            held = max(1, len(images) // 4)
            search_calibration(network, images[held:].split(32), images[:held].split(32))
        elif self.method == "bias-correction":
            correct_biases(network, images[:64])
        elif self.method in ("qat", "lsq"):
            scales = "lsq" if self.method == "lsq" else "fixed"
            config = QatConfig(epochs=self.epochs, scales=scales, seed=job.config.seed)
            train_quantized(network, job.data, config, resolution=resolution, on_epoch=job.epochs(self.epochs))
        elif self.method != "min-max":
            reconstruct(network, images, method=self.method)

    def _kept_float(
        self,
        network: QuantizedNetwork,
        quantize: Callable[[tuple[str, ...]], QuantizedNetwork],
        float_path: Path,
        path: Path,
        job: Job,
        resolution: int,
    ) -> tuple[str, ...]:
        """Return the layers that stay float; `quantize` writes `path` without those named."""
        judged = spread(job.data.train, _JUDGING_IMAGES)
        inputs = torch.from_numpy(network_inputs(judged, job.data, resolution))
        found = sensitivities(network, inputs, judged.labels)

        def accuracy_of(file: Path, dtype: str) -> float:
            session = get_runtime(job.runtime, dtype).load(file, None, dtype=dtype, threads=1)
            return evaluate_session(session, judged, job.data, resolution)

        def accuracy_without(names: tuple[str, ...]) -> float:
            quantize(names)
            return accuracy_of(path, "int8")

        return fall_back(found, accuracy_without, least_accuracy=accuracy_of(float_path, "fp32") - self.max_drop)
