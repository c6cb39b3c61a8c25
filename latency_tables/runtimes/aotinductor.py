"""PyTorch compiled ahead of time into a package that C++ programs load; compiled where it is measured."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from latency_tables.errors import MeasurementError
from latency_tables.runtimes import RUNTIMES, InputShape, random_images
from latency_tables.torch_programs import (
    ProgramRuntime,
    TorchSession,
    compile_errors,
    cpp_compiler,
    example_of,
    load_program,
    use_threads,
)
from zoo.errors import first_line

if TYPE_CHECKING:
    from torch import Tensor

_PACKAGE = ".pt2"


@RUNTIMES.register("aotinductor")
class AotInductor(ProgramRuntime):
    """AOTInductor on the CPU, called through its C++ loader; also runs a package that is compiled already.

    A package is machine code: load only those of people you trust. Its loops keep the number of threads that they
    were compiled for.
    """

    suffixes = (_PACKAGE,)

    @staticmethod
    def settings(dtype: str) -> dict[str, str]:
        return {**ProgramRuntime.settings(dtype), "freezing": "true", "compiler": cpp_compiler()}

    @staticmethod
    def load(path: Path, input_shape: InputShape | None, *, dtype: str, threads: int) -> TorchSession:
        use_threads(threads)
        if path.suffix == _PACKAGE:
            return _open(path, _examples(input_shape))
        package = path.with_suffix(_PACKAGE)
        return _open(package, [_compile(path, package)])


def _compile(path: Path, package: Path) -> "Tensor":
    """Compile the program `path` into `package` and return its example."""
    from torch._inductor import aoti_compile_and_package

    cpp_compiler()
    program = load_program(path)
    with compile_errors("aotinductor"):
        aoti_compile_and_package(program, package_path=str(package), inductor_configs={"freezing": True})
    return example_of(program)


def _examples(input_shape: InputShape | None) -> "list[Tensor]":
    """Return a batch in either memory format: a package takes the one that it was compiled for."""
    import torch

    if input_shape is None:
        raise MeasurementError("a compiled package does not tell the size of its images: say it")
    batch = torch.from_numpy(random_images(input_shape, 1)[0])
    _, chans, height, width = input_shape
    # said by strides: a batch of one channel counts as either format, a package tells them apart
    last = torch.empty_strided(input_shape, (chans * height * width, 1, width * chans, chans)).copy_(batch)
    return [batch, last]


def _open(package: Path, examples: "Sequence[Tensor]") -> TorchSession:
    """Return `package` with the first of `examples` that it takes."""
    from torch._C._aoti import AOTIModelPackageLoader

    os.environ["AOTI_RUNTIME_CHECK_INPUTS"] = "1"  # what does not fit would else be computed into garbage
    reason = ""
    try:
        run = AOTIModelPackageLoader(str(package), "model", False, 1, -1).run
    except RuntimeError as error:
        raise MeasurementError(f"aotinductor cannot load it: {first_line(error)}") from error
    for example in examples:
        try:
            session = TorchSession(lambda batch: run([batch])[0], example)
            session.run()
            return session
        except RuntimeError as error:
            reason = first_line(error)
    raise MeasurementError(f"aotinductor cannot run it: {reason}")
