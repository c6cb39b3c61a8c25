"""PyTorch on an NVIDIA GPU, eager or compiled, launched as one CUDA graph; channels last."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from latency_tables.runtimes import RUNTIMES, InputShape
from latency_tables.torch_programs import (
    ProgramRuntime,
    TorchSession,
    compiled_forward_of,
    example_of,
    forward_of,
    load_program,
    use_threads,
)

if TYPE_CHECKING:
    from torch import Tensor
    from torch.export import ExportedProgram

_WARM_UP_RUNS = 3


class CudaRuntime(ProgramRuntime):
    """A program on the GPU; the functions that it makes of programs are all that differs."""

    dtypes = ("fp32", "fp16")
    install = "pip install torch (not its +cpu build), on a machine with an NVIDIA GPU"

    @staticmethod
    def version() -> str | None:
        version = ProgramRuntime.version()
        if version is None or version.endswith("+cpu") or not any(Path("/dev").glob("nvidia[0-9]*")):
            return None
        import torch

        return version if torch.cuda.is_available() else None

    @staticmethod
    def settings(dtype: str) -> dict[str, str]:
        import torch

        gpu = {"gpu": torch.cuda.get_device_name(), "cuda": str(torch.version.cuda), "launch": "CUDA graph"}
        return {**ProgramRuntime.settings(dtype), **gpu, "tf32": "off", "cudnn": "benchmark"}

    @staticmethod
    def function(program: "ExportedProgram") -> "Callable[[Tensor], Tensor]":
        """Return the program as the function that is captured."""
        raise NotImplementedError

    @classmethod
    def load(cls, path: Path, input_shape: InputShape | None, *, dtype: str, threads: int) -> TorchSession:
        import torch
        from torch.export.passes import move_to_device_pass

        use_threads(threads)
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False  # fp32 is to be fp32
        program = move_to_device_pass(load_program(path), "cuda")
        example = example_of(program)
        return TorchSession(_as_graph(cls.function(program), example), example)


@RUNTIMES.register("torch-cuda")
class TorchCuda(CudaRuntime):
    """Eager PyTorch's kernels."""

    function = staticmethod(forward_of)


@RUNTIMES.register("inductor-cuda")
class InductorCuda(CudaRuntime):
    """TorchInductor's Triton kernels, weights frozen."""

    function = staticmethod(compiled_forward_of)

    @staticmethod
    def settings(dtype: str) -> dict[str, str]:
        return {**CudaRuntime.settings(dtype), "freezing": "true"}


def _as_graph(function: "Callable[[Tensor], Tensor]", example: "Tensor") -> "Callable[[Tensor], Tensor]":
    """Return `function` as a CUDA graph that reads its batch from `example` and returns when the scores are there."""
    import torch

    graph, done, aside = torch.cuda.CUDAGraph(), torch.cuda.Event(), torch.cuda.Stream()
    with torch.inference_mode():
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):  # the first runs choose algorithms and allocate, which no graph can hold
            for _ in range(_WARM_UP_RUNS):
                function(example)
        torch.cuda.current_stream().wait_stream(aside)
        with torch.cuda.graph(graph):
            scores = function(example)

    def replay(batch: "Tensor") -> "Tensor":
        if batch is not example:
            example.copy_(batch)
        graph.replay()
        done.record()
        done.synchronize()
        return scores

    return replay
