"""edgezoo latency: measuring and predicting one network."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from edgezoo.commands import completion
from edgezoo.commands.output import AsJson, print_json, print_table
from zoo.errors import EdgezooError

if TYPE_CHECKING:
    from latency_tables import LatencyTable
    from zoo import ArchSpec

app = typer.Typer(help="Latencies of networks on a device: measured, or predicted by a table.", no_args_is_help=True)

Runtime = Annotated[
    str,
    typer.Option(
        help="What executes the network; edgezoo latency runtimes lists them.", autocompletion=completion.runtimes
    ),
]
Dtype = Annotated[str, typer.Option(help="Number format: fp32, int8, ...", autocompletion=completion.dtypes)]
Threads = Annotated[int, typer.Option(help="Threads for one image.", min=1)]
Device = Annotated[str, typer.Option(help="Where: local, or ssh://USER@HOST:PORT/PATH/OF/PYTHON; HOST is enough.")]
Batch = Annotated[int, typer.Option(help="Images at a time.", min=1)]
_ImageSize = Annotated[int | None, typer.Option(help="Pixels; the network's own by default.", min=1)]
TablePath = Annotated[
    Path, typer.Argument(help="A table: its file, or the name of one that ships.", autocompletion=completion.tables)
]


@app.command("runtimes")
def runtimes_command(device: Device = "local", as_json: AsJson = False) -> None:
    """List the runtimes on a device, which are ready, and how to install the others.

    Example: edgezoo latency runtimes --device ssh://user@host
    """
    from latency_tables.worker_process import list_runtimes

    found = list_runtimes(device)
    if as_json:
        print_json(found)
        return
    rows = [(n, r["version"] or f"missing: {r['install']}", " ".join(r["dtypes"])) for n, r in found.items()]
    print_table(("runtime", "version", "dtypes"), rows)


@app.command("measure")
def measure_command(
    net: Annotated[
        str,
        typer.Argument(
            help="Name of a network, path of a spec (.json) or of a model file (.onnx).",
            autocompletion=completion.networks,
        ),
    ],
    runtime: Runtime = "onnxruntime",
    dtype: Dtype = "fp32",
    threads: Threads = 1,
    batch: Batch = 1,
    image_size: _ImageSize = None,
    device: Device = "local",
    seconds: Annotated[float, typer.Option(help="Most time for the samples.", min=0.1)] = 5.0,
    as_json: AsJson = False,
) -> None:
    """Measure one network: median, p10, p90, the interval of the median, and what makes it doubtful.

    Example: edgezoo latency measure mobilenetv2_100 --dtype int8

    Example: edgezoo latency measure model.onnx --runtime openvino --device ssh://user@host
    """
    import latency_tables
    from latency_tables.runtimes import model_suffixes

    source: str | Path | ArchSpec = net
    if Path(net).suffix in model_suffixes():
        source = Path(net)
    elif net.endswith(".json"):
        source = read_spec(net)
    shape = None
    if image_size or batch > 1:
        size = image_size or _own_size(source)
        shape = (batch, 3, size, size)
    result = latency_tables.measure(
        source, shape, runtime=runtime, dtype=dtype, threads=threads, max_seconds=seconds, device=device
    )
    if as_json:
        print_json(dataclasses.asdict(result))
        return
    print(
        f"{result.median_ms:.3f} ms median (p10 {result.p10_ms:.3f}, p90 {result.p90_ms:.3f}; 95 % interval "
        f"{result.low_ms:.3f} to {result.high_ms:.3f}; {result.samples} samples, {result.rejected} rejected as "
        f"disturbed) {runtime} {dtype}, {threads} thread{'s' if threads > 1 else ''}"
    )
    for warning in result.warnings:
        Console(stderr=True, soft_wrap=True).print(f"warning: {warning}", style="yellow", markup=False, highlight=False)


@app.command("predict")
def predict_command(
    table: TablePath,
    net: Annotated[
        str,
        typer.Argument(help="Name of a zoo network, or path of a spec (.json).", autocompletion=completion.networks),
    ],
    image_size: _ImageSize = None,
    batch: Batch = 1,
    as_json: AsJson = False,
) -> None:
    """Predict the latency of a network from a table; nothing is measured.

    Example: edgezoo latency predict onnxruntime-fp32 mobilenetv1_025 --image-size 32
    """
    import latency_tables
    import zoo

    spec = read_spec(net) if net.endswith(".json") else zoo.get_spec(net)
    if image_size:
        spec = spec.at_resolution(image_size)
    loaded = latency_tables.load_table(table)
    estimate = loaded.predict(spec, batch=batch)
    if as_json:
        print_json(dataclasses.asdict(estimate))
        return
    print(
        f"{estimate.ms:.3f} ms ({estimate.low_ms:.3f} to {estimate.high_ms:.3f}), "
        f"{estimate.coverage:.0%} of the cost stands on measured kernels; for {loaded.num_classes} classes, "
        f"{device_line(loaded)}"
    )


def read_spec(path: str) -> "ArchSpec":
    """Return the spec in a JSON file; raises EdgezooError where it cannot be read."""
    import zoo
    from zoo.files import read_small

    try:
        return zoo.ArchSpec.from_json(read_small(Path(path)))
    except OSError as error:
        raise EdgezooError(f"cannot read {path}: {error.strerror}") from None


def _own_size(source: "str | Path | ArchSpec") -> int:
    """Return the image size that a network is meant for; raises EdgezooError where it is not known."""
    import zoo

    if isinstance(source, zoo.ArchSpec):
        return source.resolution
    if isinstance(source, Path) or source.startswith("timm/"):
        raise EdgezooError(f"--batch for {str(source)!r} takes --image-size too")
    return zoo.model_info(source).resolution


def device_line(table: "LatencyTable") -> str:
    device = table.device
    threads = f"{device.threads} thread{'s' if device.threads > 1 else ''}"
    return f"{device.runtime} {device.runtime_version} {device.dtype}, {threads} on {device.cpu}, {table.created}"
