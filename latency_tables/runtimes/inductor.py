"""PyTorch compiled by `torch.compile` where it is measured: weights frozen, channels last."""

from pathlib import Path

from latency_tables.runtimes import RUNTIMES, InputShape
from latency_tables.torch_programs import (
    ProgramRuntime,
    TorchSession,
    compiled_forward_of,
    cpp_compiler,
    example_of,
    load_program,
    use_threads,
)


@RUNTIMES.register("inductor")
class Inductor(ProgramRuntime):
    """TorchInductor's C++ on the CPU; half a minute to compile a network is usual."""

    @staticmethod
    def settings(dtype: str) -> dict[str, str]:
        return {**ProgramRuntime.settings(dtype), "freezing": "true", "compiler": cpp_compiler()}

    @staticmethod
    def load(path: Path, input_shape: InputShape | None, *, dtype: str, threads: int) -> TorchSession:
        use_threads(threads)
        cpp_compiler()
        program = load_program(path)
        return TorchSession(compiled_forward_of(program), example_of(program))
