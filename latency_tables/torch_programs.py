"""Networks as exported PyTorch programs: written beside the network, run where times are measured.

A program is a graph of ATen calls with the weights and an example batch, all in channels-last memory. PyTorch is
imported inside the functions, so that runtimes can be listed without it.
"""

import contextlib
import copy
import importlib.metadata
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from latency_tables.errors import MeasurementError
from latency_tables.quiet import quiet
from latency_tables.runtimes import InputShape, NodeTime, in_batches, random_images

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.export import ExportedProgram


class ProgramRuntime:
    """What the runtimes of PyTorch have in common; each loads a program in its own way."""

    dtypes: tuple[str, ...] = ("fp32",)
    suffixes: tuple[str, ...] = ()
    install = "pip install torch"

    @staticmethod
    def version() -> str | None:
        try:
            return importlib.metadata.version("torch")
        except importlib.metadata.PackageNotFoundError:
            return None

    @staticmethod
    def settings(dtype: str) -> dict[str, str]:
        return {"memory_format": "channels_last", "module": "torch.export"}

    @staticmethod
    def export(
        module: "nn.Module", input_shape: InputShape, folder: Path, *, dtype: str, calibration: Sequence[np.ndarray]
    ) -> Path:
        return export_program(module, input_shape, folder, dtype=dtype)


class TorchSession:
    """A function of one batch, called without gradients.

    Args:
        example: batch (N, C, H, W) on the device, in the number and memory format that `function` takes.
    """

    def __init__(self, function: "Callable[[Tensor], Tensor]", example: "Tensor") -> None:
        import torch

        self._function, self._example = torch.inference_mode()(function), example

    def run(self) -> None:
        self._function(self._example)

    def predict(self, images: np.ndarray) -> np.ndarray:
        import torch

        def run(chunk: np.ndarray) -> np.ndarray:
            shape, strides = self._example.shape, self._example.stride()
            tensor = torch.empty_strided(shape, strides, dtype=self._example.dtype, device=self._example.device).copy_(
                torch.from_numpy(chunk)
            )
            return self._function(tensor).float().cpu().numpy()

        return in_batches(run, images, len(self._example))

    def profile(self, runs: int) -> list[NodeTime] | None:
        return None


def export_program(module: "nn.Module", input_shape: InputShape, folder: Path, *, dtype: str = "fp32") -> Path:
    """Write a copy of `module` into `folder`, for images (N, C, H, W) of this shape alone; dtype fp32 or fp16.

    Raises MeasurementError where `torch.export` cannot follow the network.
    """
    path = folder / "network.program"
    write_program(module, input_shape, path, dtype=dtype)
    return path


def write_program(module: "nn.Module", input_shape: InputShape, path: Path, *, dtype: str = "fp32") -> None:
    """Write a copy of `module` to `path`, as `export_program` does."""
    import torch

    number = {"fp32": torch.float32, "fp16": torch.float16}[dtype]
    network = copy.deepcopy(module).eval().to("cpu", number, memory_format=torch.channels_last)
    batch = torch.from_numpy(random_images(input_shape, 1)[0]).to(number, memory_format=torch.channels_last)
    try:
        with quiet(), torch.no_grad():
            program = torch.export.export(network, (batch,), strict=False)
            with path.open("wb") as file:
                torch.export.save(program, file)
    except Exception as error:  # whatever the network raises while it is followed
        raise MeasurementError(f"torch.export cannot follow it: {_reason(error)}") from error


def load_program(path: Path) -> "ExportedProgram":
    """Return what `export_program` wrote. Other files have no place here: PyTorch unpickles parts of some."""
    import torch

    try:
        with quiet(), path.open("rb") as file:
            import torch.ao.quantization.fx._decomposed  # defines the operators that quantized programs call

            return torch.export.load(file)
    except Exception as error:  # zip's, JSON's and the schema's, where the versions of PyTorch differ
        raise MeasurementError(f"PyTorch {torch.__version__} cannot load it: {_reason(error)}") from error


def example_of(program: "ExportedProgram") -> "Tensor":
    """Return the batch of random images that the program was exported with."""
    assert program.example_inputs
    return program.example_inputs[0][0]


def forward_of(program: "ExportedProgram") -> "Callable[[Tensor], Tensor]":
    """Return the program as a function, without the checks of its input that cost time in every call."""
    return program.module(check_guards=False).forward


def compiled_forward_of(program: "ExportedProgram") -> "Callable[[Tensor], Tensor]":
    """Return the program compiled by `torch.compile`, its weights frozen; this takes from seconds to minutes."""
    import torch
    from torch._inductor import config

    function = torch.compile(forward_of(program), fullgraph=True)
    # as options of torch.compile this would come too late: what can be frozen is decided before they are read
    with compile_errors("inductor"), config.patch(freezing=True), torch.inference_mode():
        function(example_of(program))
    return function


@contextlib.contextmanager
def compile_errors(runtime: str) -> Iterator[None]:
    """Turn what a compiler raises into a MeasurementError of one line."""
    try:
        yield
    except Exception as error:  # Dynamo's, Inductor's or the C++ compiler's
        raise MeasurementError(f"{runtime} cannot compile it: {_reason(error)}") from error


def cpp_compiler() -> str:
    """Return name and version of the C++ compiler that Inductor calls; raises MeasurementError where there is none."""
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        compiler = get_cpp_compiler()
    except InvalidCxxCompiler:
        raise MeasurementError("inductor needs a C++ compiler: apt install g++") from None
    version = subprocess.run([compiler, "-dumpfullversion", "-dumpversion"], capture_output=True, text=True).stdout
    return f"{Path(compiler).name} {version.strip()}"


def use_threads(threads: int) -> None:
    """Let PyTorch compute with `threads` threads in the whole process, the calling one among them."""
    import torch

    torch.set_num_threads(threads)
    with contextlib.suppress(RuntimeError):  # taken once only, before the first of them starts
        torch.set_num_interop_threads(1)


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return next((line for line in lines if "error: " in line), lines[0])
