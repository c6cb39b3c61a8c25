"""Which runtime and number format ship a network best on this device: all are exported, evaluated and measured."""

import contextlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from latency_tables import RUNTIMES, get_runtime
from latency_tables.bench import Bench, Paired
from latency_tables.errors import MeasurementError
from latency_tables.measurement import summarize, time_in_turns
from model_compression.errors import RecipeError
from model_compression.export.learned import export_learned
from model_compression.export.onnx import calibration_batches, evaluate_session
from zoo.data.splits import Splits
from zoo.errors import EdgezooError, first_line
from zoo.training import accuracy

_NET = "net"


@dataclass(frozen=True)
class Format:
    """A network as one runtime and number format ship it.

    Attributes:
        path: its model file; None where the runtime could not take the network.
        accuracy: share of the validation images, 0..1, that the file classifies rightly.
        drop: what the float network gets rightly beyond that, 0..1.
        median_ms: of one image, timed in turns with all others; low_ms and high_ms: the median's 95 % interval.
        error: why there is no figure, in one line; "" where there is.
    """

    runtime: str
    dtype: str
    path: Path | None = None
    accuracy: float = float("nan")
    drop: float = float("nan")
    median_ms: float = float("nan")
    low_ms: float = float("nan")
    high_ms: float = float("nan")
    error: str = ""


def shipped_formats(runtime: str = "*") -> list[tuple[str, str]]:
    """Return the (runtime, dtype) pairs installed here whose model files can be shipped, of one runtime or of all."""
    names = list(RUNTIMES) if runtime == "*" else [runtime]
    installed = [name for name in names if RUNTIMES.get(name).suffixes and RUNTIMES.get(name).version()]
    return [(name, dtype) for name in installed for dtype in RUNTIMES.get(name).dtypes]


def try_formats(
    network: nn.Module,
    data: Splits,
    *,
    resolution: int,
    folder: Path,
    formats: Sequence[tuple[str, str]] | None = None,
    learned: Path | None = None,
    threads: int = 1,
    seconds_each: float = 3.0,
    on_format: Callable[[Format], None] | None = None,
) -> list[Format]:
    """Return what each format makes of a trained `network`, the fastest first, those that failed last.

    Model files land in `folder`/RUNTIME-DTYPE, made anew. All are timed in turns, so that other load meets all alike.
    A runtime that fails or crashes is an entry with its `error`.

    Args:
        formats: (runtime, dtype) pairs, by default all that are installed.
        learned: the network quantized, an ONNX file whose scales and integers every int8 file then has; without it each
            runtime calibrates on training images. int8-nncf always does.
        on_format: called with each entry once it is exported and evaluated, before any is timed.
    """
    float_accuracy = accuracy(network, data.val, data, resolution)
    found: dict[str, Format] = {}
    with contextlib.ExitStack() as stack:
        benches: dict[str, Bench] = {}
        for runtime, dtype in shipped_formats() if formats is None else formats:
            name = f"{runtime}-{dtype}"
            try:
                made_of = learned if dtype == "int8" else None
                entry = _export(network, data, resolution, folder / name, runtime, dtype, threads, made_of)
                bench = stack.enter_context(Bench(runtime, dtype, threads))
                bench.add_file(_NET, entry.path, _shape(data, resolution))  # type: ignore[arg-type]
                benches[name] = bench
                found[name] = replace(entry, drop=float_accuracy - entry.accuracy)
            except EdgezooError as error:
                found[name] = Format(runtime, dtype, error=first_line(error))
            if on_format:
                on_format(found[name])
        timed = time_in_turns(SideBySide(benches), list(benches), seconds_each=seconds_each)
    for name in benches:
        if name in timed:
            measured = summarize(timed[name])
            found[name] = replace(
                found[name], median_ms=measured.median_ms, low_ms=measured.low_ms, high_ms=measured.high_ms
            )
        else:
            found[name] = replace(found[name], error=f"{found[name].runtime} failed while it was timed")
    return sorted(found.values(), key=lambda entry: (bool(entry.error), entry.median_ms))


def fastest(formats: Sequence[Format], *, max_drop: float = 0.01) -> Format:
    """Return the fastest format that loses at most `max_drop` (0..1) of accuracy; raises RecipeError if none does."""
    kept = [entry for entry in formats if not entry.error and entry.drop <= max_drop]
    if not kept:
        reasons = (entry.error or f"loses {entry.drop:.1%}" for entry in formats)
        told = "; ".join(f"{e.runtime} {e.dtype}: {reason}" for e, reason in zip(formats, reasons, strict=True))
        raise RecipeError(f"no format keeps the accuracy to {max_drop:.1%}: {told or 'no runtime is installed'}")
    return min(kept, key=lambda entry: entry.median_ms)


class SideBySide:
    """Measuring processes of several runtimes, each with a network called "net", as one bench of them all."""

    def __init__(self, benches: Mapping[str, Bench]) -> None:
        self._benches = benches

    def visit(self, name: str, samples: int) -> list[Paired]:
        """Time the network of one process and that process's reference in turns."""
        return self._benches[name].visit(_NET, samples)


def _export(
    network: nn.Module,
    data: Splits,
    resolution: int,
    folder: Path,
    runtime: str,
    dtype: str,
    threads: int,
    learned: Path | None,
) -> Format:
    backend, shape = get_runtime(runtime, dtype), _shape(data, resolution)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if learned:
        path = export_learned(learned, folder / f"model{backend.suffixes[0]}")
    else:
        path = backend.export(network, shape, folder, dtype=dtype, calibration=calibration_batches(data, resolution))
    session = backend.load(path, shape, dtype=dtype, threads=threads)
    try:
        shipped = evaluate_session(session, data.val, data, resolution)
    except Exception as error:  # runtimes raise whatever they like
        raise MeasurementError(f"failed on an image: {first_line(error)}") from error
    if path.suffix not in backend.suffixes:  # compiled as it was loaded; that is what ships
        path = path.with_suffix(backend.suffixes[0])
    return Format(runtime, dtype, path, shipped)


def _shape(data: Splits, resolution: int) -> tuple[int, int, int, int]:
    return (1, data.in_chans, resolution, resolution)
