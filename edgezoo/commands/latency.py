"""edgezoo latency: measuring and predicting."""

import dataclasses
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from edgezoo.commands.output import AsJson, print_json, print_table
from zoo.errors import EdgezooError

app = typer.Typer(help="Latencies of networks on this device: measured, or predicted by a table.", no_args_is_help=True)

_Runtime = Annotated[str, typer.Option(help="What executes the network.")]
_Dtype = Annotated[str, typer.Option(help="Number format, fp32 or int8.")]
_Threads = Annotated[int, typer.Option(help="Threads for one image.", min=1)]
_Device = Annotated[str, typer.Option(help="Where: local, or ssh://[user@]host[:port][/path/of/python].")]


@app.command("runtimes")
def runtimes_command(device: _Device = "local", as_json: AsJson = False) -> None:
    """List the runtimes on a device, which are ready, and how to install the others."""
    from latency_tables.worker_process import list_runtimes

    found = list_runtimes(device)
    if as_json:
        print_json(found)
        return
    rows = [(n, r["version"] or f"missing: {r['install']}", " ".join(r["dtypes"])) for n, r in found.items()]
    print_table(("runtime", "version", "dtypes"), rows)


@app.command("measure")
def measure_command(
    net: Annotated[str, typer.Argument(help="Name of a network, path of a spec (.json) or of a model file (.onnx).")],
    runtime: _Runtime = "onnxruntime",
    dtype: _Dtype = "fp32",
    threads: _Threads = 1,
    device: _Device = "local",
    image_size: Annotated[int | None, typer.Option(help="Pixels; the network's own by default.", min=1)] = None,
    as_json: AsJson = False,
) -> None:
    """Measure one network. Example: edgezoo latency measure mobilenetv2_100 --dtype int8"""
    import latency_tables
    import zoo

    source = read_spec(net) if net.endswith(".json") else Path(net) if net.endswith(".onnx") else net
    if image_size is not None and isinstance(source, str):
        source = zoo.get_spec(source) if not source.startswith("timm/") else source
    shape = (1, 3, image_size, image_size) if image_size else None
    result = latency_tables.measure(source, shape, runtime=runtime, dtype=dtype, threads=threads, device=device)
    if as_json:
        print_json(dataclasses.asdict(result))
        return
    print(
        f"{result.median_ms:.3f} ms median (p10 {result.p10_ms:.3f}, p90 {result.p90_ms:.3f}; 95 % interval "
        f"{result.low_ms:.3f} to {result.high_ms:.3f}; {result.samples} samples, {result.rejected} rejected as "
        f"disturbed) {runtime} {dtype}, {threads} thread{'s' if threads > 1 else ''}"
    )


@app.command("build")
def build_command(
    out: Annotated[Path, typer.Option(help="File of the table; a stopped build goes on from FILE.progress.")],
    space: Annotated[str, typer.Option(help="Space that networks are drawn from.")] = "tiny",
    runtime: _Runtime = "onnxruntime",
    dtype: _Dtype = "fp32",
    threads: _Threads = 1,
    networks: Annotated[int, typer.Option(help="How many networks are measured.", min=10)] = 60,
    in_chans: Annotated[int, typer.Option(help="Channels of an image.", min=1)] = 3,
    num_classes: Annotated[int, typer.Option(help="Classes of the head.", min=1)] = 10,
    as_json: AsJson = False,
) -> None:
    """Measure a latency table. Example: edgezoo latency build --dtype int8 --out host-int8.json"""
    import latency_tables
    import search
    from edgezoo.progress import stage

    console = Console(stderr=True, quiet=as_json)
    progress_file = out.with_name(out.name + ".progress")
    with stage(console, f"latency table, {runtime} {dtype}", networks) as advance:
        table = latency_tables.build_table(
            search.SPACES.get(space),
            runtime=runtime,
            dtype=dtype,
            threads=threads,
            networks=networks,
            in_chans=in_chans,
            num_classes=num_classes,
            progress_file=progress_file,
            on_network=lambda done, total: advance(done),
        )
    table.save(out)
    progress_file.unlink(missing_ok=True)
    _print_table_facts(table, as_json)


@app.command("show")
def show_command(table: Annotated[Path, typer.Argument(help="A table.")], as_json: AsJson = False) -> None:
    """Show a table's device and how well it predicts."""
    import latency_tables

    _print_table_facts(latency_tables.load_table(table), as_json)


@app.command("predict")
def predict_command(
    table: Annotated[Path, typer.Argument(help="A table.")],
    net: Annotated[str, typer.Argument(help="Name of a zoo network, or path of a spec (.json).")],
    image_size: Annotated[int | None, typer.Option(help="Pixels; the network's own by default.", min=1)] = None,
    as_json: AsJson = False,
) -> None:
    """Predict the latency of a network from a table; nothing is measured."""
    import latency_tables
    import zoo

    spec = read_spec(net) if net.endswith(".json") else zoo.get_spec(net)
    if image_size:
        spec = spec.at_resolution(image_size)
    estimate = latency_tables.load_table(table).predict(spec)
    if as_json:
        print_json(dataclasses.asdict(estimate))
        return
    print(
        f"{estimate.ms:.3f} ms ({estimate.low_ms:.3f} to {estimate.high_ms:.3f}), "
        f"{estimate.coverage:.0%} of the convolutions' cost measured"
    )


def read_spec(path: str):
    """Return the spec in a JSON file; raises EdgezooError where it cannot be read."""
    import zoo

    try:
        return zoo.ArchSpec.from_json(Path(path).read_bytes())
    except OSError as error:
        raise EdgezooError(f"cannot read {path}: {error.strerror}") from None


def _print_table_facts(table, as_json: bool) -> None:
    v, device = table.validation, table.device
    if as_json:
        print_json({"device": device.model_dump(), "created": table.created, "validation": v.model_dump()})
        return
    print(
        f"{device.runtime} {device.runtime_version} {device.dtype}, {device.threads} thread on {device.cpu}, "
        f"{table.created}"
    )
    print(
        f"{v.networks} networks of {table.space}; predicting networks left out: error {v.mape:.1%}, within 5 % "
        f"{v.within_5:.0%}, within 10 % {v.within_10:.0%}, worst {v.worst:.1%}, Kendall tau {v.kendall_tau:.2f}"
    )
