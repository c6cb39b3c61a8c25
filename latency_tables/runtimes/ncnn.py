"""ncnn on the CPU, fp32, bf16 and fp16."""

import copy
import importlib.metadata
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from latency_tables.errors import MeasurementError
from latency_tables.runtimes import RUNTIMES, InputShape
from zoo.errors import first_line

if TYPE_CHECKING:
    from torch import nn

_WEIGHTED = ("Convolution", "ConvolutionDepthWise", "Deconvolution", "DeconvolutionDepthWise", "InnerProduct")
_ROUNDING = 0.5  # of the largest value: some layers misread each other's numbers, which is off by far more
_CONVERSION_SECONDS = 300.0


class NcnnSession:
    """A network in ncnn, which takes one image at a time: a batch of N is N runs."""

    def __init__(self, path: Path, input_shape: InputShape | None, dtype: str, threads: int) -> None:
        if input_shape is None:
            raise MeasurementError("an ncnn file leaves the size of its images open; say it")
        self._net = _open(path, dtype, threads)
        images = np.random.default_rng(0).standard_normal(input_shape, dtype=np.float32)
        self._example = [_mat(image) for image in images]
        if dtype != "fp32":
            _refuse_wrong_values(self._net, _open(path, "fp32", threads), self._example[0], dtype)

    def run(self) -> None:
        for image in self._example:
            _forward(self._net, image)

    def predict(self, images: np.ndarray) -> np.ndarray:
        return np.stack([np.array(_forward(self._net, _mat(image))) for image in images])

    def profile(self, runs: int) -> None:
        """Return None: ncnn times its layers only where it was built to."""


def _forward(net: Any, image: Any, blob: str | None = None) -> Any:
    """Return what `net` computes from `image`: its scores, or the values called `blob`."""
    extractor = net.create_extractor()
    extractor.input(net.input_names()[0], image)
    status, values = extractor.extract(blob or net.output_names()[0])
    if status:
        raise MeasurementError(f"ncnn cannot run it (status {status})")
    return values


def _refuse_wrong_values(net: Any, exact: Any, image: Any, dtype: str) -> None:
    """Raise MeasurementError where `net` is further from `exact` than rounding to `dtype` explains."""

    def is_wrong(blob: str | None) -> bool:
        ours, theirs = np.array(_forward(net, image, blob)), np.array(_forward(exact, image, blob))
        return not np.abs(ours - theirs).max() <= _ROUNDING * np.abs(theirs).max()  # NaN is wrong too

    if is_wrong(None):
        first = next(exact.layers()[blob.producer] for blob in exact.blobs() if is_wrong(blob.name))
        raise MeasurementError(f"ncnn computes wrong values in {dtype} ({first.type} {first.name}); try fp32")


def _mat(image: np.ndarray) -> Any:
    """Return `image` (C, H, W) in memory of ncnn's own: layers that work in place write to it, and crash on numpy's."""
    import ncnn

    return ncnn.Mat(np.ascontiguousarray(image, dtype=np.float32)).clone()


def _open(path: Path, dtype: str, threads: int) -> Any:
    import ncnn

    layers = {line.split()[0] for line in path.read_text(errors="replace").splitlines()[2:] if line.strip()}
    if unknown := sorted(name for name in layers if ncnn.layer_to_index(name) < 0):
        raise MeasurementError(f"ncnn has no layer {', '.join(unknown)}; try another runtime")
    net = ncnn.Net()
    net.opt.num_threads = threads
    # x86 stores weights of linear layers as fp16 where it may, even in an fp32 network
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = dtype == "fp16"
    net.opt.use_bf16_storage = dtype == "bf16"
    weights = path.with_suffix(".bin")
    if net.load_param(str(path)) or net.load_model(str(weights)):
        raise MeasurementError(f"ncnn cannot read {path.name} with its weights {weights.name}")
    if dtype != "fp32" and not any(
        getattr(layer, f"support_{dtype}_storage") for layer in net.layers() if layer.type in _WEIGHTED
    ):
        raise MeasurementError(f"ncnn has no {dtype} on this processor; try fp32")
    return net


def _convert(folder: Path, input_shape: InputShape) -> None:
    """Write `model.ncnn.param` and `model.ncnn.bin`, with weights in fp32, beside the `model.pt` in `folder`."""
    try:
        import pnnx
    except ImportError as error:
        raise MeasurementError(f"pnnx is not installed; {Ncnn.install}") from error

    shape = f"inputshape=[{','.join(map(str, input_shape))}]f32"
    try:
        done = subprocess.run(
            [pnnx.EXEC_PATH, "model.pt", shape, "fp16=0"],
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_CONVERSION_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise MeasurementError(f"pnnx took longer than {_CONVERSION_SECONDS:g} s to convert it for ncnn") from error
    if done.returncode or not (folder / "model.ncnn.bin").exists():
        said = (done.stderr.strip().splitlines() or ["nothing said"])[-1]
        raise MeasurementError(f"pnnx cannot convert it for ncnn (exit code {done.returncode}): {said}")


@RUNTIMES.register("ncnn")
class Ncnn:
    """ncnn with its own choice of kernels; networks get there through pnnx.

    bf16 is how layers store weights and activations; the arithmetic is fp32 where the processor has no other. fp16
    needs a processor with fp16 arithmetic.
    """

    dtypes = ("fp32", "bf16", "fp16")
    suffixes = (".param",)
    install = "pip install 'edgezoo[ncnn]'"

    @staticmethod
    def version() -> str | None:
        try:
            return importlib.metadata.version("ncnn")
        except importlib.metadata.PackageNotFoundError:
            return None

    @staticmethod
    def settings(dtype: str) -> dict[str, str]:
        return {"backend": "cpu", "storage": dtype, "batch": "one image at a time"}

    @staticmethod
    def export(
        module: "nn.Module", input_shape: InputShape, folder: Path, *, dtype: str, calibration: Sequence[np.ndarray]
    ) -> Path:
        import torch

        from latency_tables.quiet import quiet

        shape = (1, *input_shape[1:])
        with tempfile.TemporaryDirectory() as scratch:
            try:
                with quiet(), torch.no_grad():
                    network = copy.deepcopy(module).cpu().eval()
                    torch.jit.trace(network, torch.zeros(shape), check_trace=False).save(f"{scratch}/model.pt")
            except Exception as error:  # the tracer raises whatever the network does
                raise MeasurementError(f"cannot be traced for ncnn: {first_line(error)}") from error
            _convert(Path(scratch), shape)
            for name in ("model.ncnn.param", "model.ncnn.bin"):
                shutil.move(Path(scratch) / name, folder / name)
        return folder / "model.ncnn.param"

    @staticmethod
    def load(path: Path, input_shape: InputShape | None, *, dtype: str, threads: int) -> NcnnSession:
        return NcnnSession(path, input_shape, dtype, threads)
