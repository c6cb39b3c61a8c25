"""edgezoo latency: measuring and predicting."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from edgezoo.commands.output import AsJson, print_json, print_table
from zoo.errors import EdgezooError

if TYPE_CHECKING:
    from latency_tables import LatencyTable
    from zoo import ArchSpec

app = typer.Typer(help="Latencies of networks on a device: measured, or predicted by a table.", no_args_is_help=True)

_Runtime = Annotated[str, typer.Option(help="What executes the network; edgezoo latency runtimes lists them.")]
_Dtype = Annotated[str, typer.Option(help="Number format: fp32, int8, ...")]
_Threads = Annotated[int, typer.Option(help="Threads for one image.", min=1)]
_Device = Annotated[str, typer.Option(help="Where: local, or ssh://[user@]host[:port][/path/of/python].")]
_Batch = Annotated[int, typer.Option(help="Images at a time.", min=1)]
_ImageSize = Annotated[int | None, typer.Option(help="Pixels; the network's own by default.", min=1)]
_TablePath = Annotated[Path, typer.Argument(help="A table.")]
_MOST_KERNELS = 15


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
    batch: _Batch = 1,
    image_size: _ImageSize = None,
    device: _Device = "local",
    seconds: Annotated[float, typer.Option(help="Most time for the samples.", min=0.1)] = 5.0,
    as_json: AsJson = False,
) -> None:
    """Measure one network. Example: edgezoo latency measure mobilenetv2_100 --dtype int8"""
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


@app.command("build")
def build_command(
    out: Annotated[Path, typer.Option(help="File of the table; a stopped build goes on from FILE.progress.")],
    space: Annotated[str, typer.Option(help="Space that networks are drawn from.")] = "tiny",
    also: Annotated[list[str], typer.Option(help="Zoo networks measured beside those, NAME or PATTERN[@PIXELS].")] = [],  # noqa: B006
    runtime: _Runtime = "onnxruntime",
    dtype: _Dtype = "fp32",
    threads: _Threads = 1,
    networks: Annotated[int, typer.Option(help="How many networks of the space are measured.", min=20)] = 120,
    batch: _Batch = 1,
    in_chans: Annotated[int, typer.Option(help="Channels of an image.", min=1)] = 3,
    num_classes: Annotated[int, typer.Option(help="Classes of the head.", min=1)] = 10,
    device: _Device = "local",
    as_json: AsJson = False,
) -> None:
    """Measure a latency table. Example: edgezoo latency build --dtype int8 --out host-int8.json"""
    import latency_tables
    import search
    from edgezoo.progress import stage

    console = Console(stderr=True, quiet=as_json)
    progress_file = out.with_name(out.name + ".progress")
    extra = [spec for item in also for spec in _matching_specs(item)]
    with stage(console, f"latency table, {runtime} {dtype}", networks + len(extra)) as advance:
        table = latency_tables.build_table(
            search.SPACES.get(space),
            runtime=runtime,
            dtype=dtype,
            threads=threads,
            networks=networks,
            also=extra,
            batch=batch,
            in_chans=in_chans,
            num_classes=num_classes,
            device=device,
            progress_file=progress_file,
            on_network=lambda done, total: advance(done),
        )
    table.save(out)
    progress_file.unlink(missing_ok=True)
    _print_table_facts(table, as_json)


@app.command("show")
def show_command(table: _TablePath, as_json: AsJson = False) -> None:
    """Show a table's device, how well it predicts, and its dearest kernels."""
    import latency_tables

    loaded = latency_tables.load_table(table)
    _print_table_facts(loaded, as_json)
    if as_json or not loaded.kernels():
        return
    rows = [
        (r.key, r.executed, f"{r.ms:.4f}", f"{r.low_ms:.4f} to {r.high_ms:.4f}", str(r.networks))
        for r in loaded.kernels()[:_MOST_KERNELS]
    ]
    print_table(("kernel", "executed as", "ms", "range", "networks"), rows)


@app.command("predict")
def predict_command(
    table: _TablePath,
    net: Annotated[str, typer.Argument(help="Name of a zoo network, or path of a spec (.json).")],
    image_size: _ImageSize = None,
    batch: _Batch = 1,
    as_json: AsJson = False,
) -> None:
    """Predict the latency of a network from a table; nothing is measured."""
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
        f"{_device_line(loaded)}"
    )


@app.command("diff")
def diff_command(
    first: Annotated[Path, typer.Argument(help="A table.")],
    second: Annotated[Path, typer.Argument(help="Another: of another device, or of another day.")],
    as_json: AsJson = False,
) -> None:
    """Compare two tables: by the networks both measured, and by what each predicts for all of them."""
    import latency_tables
    from latency_tables.diff import diff_tables

    found = diff_tables(latency_tables.load_table(first), latency_tables.load_table(second))
    if as_json:
        print_json(found.model_dump())
        return
    for line in found.device or ("the device is the same",):
        print(line)
    if found.measured_ratio is not None:
        print(f"{found.measured} networks measured by both: second / first {found.measured_ratio:.3f} in the median")
    print(
        f"predicted for all networks: second / first {found.predicted_ratio:.3f} in the median, "
        f"{found.low_ratio:.3f} to {found.high_ratio:.3f} for nine in ten; order alike, Kendall tau "
        f"{found.kendall_tau:.2f}"
    )
    rows = [(k.key, f"{k.first_ms:.4f}", f"{k.second_ms:.4f}", f"{k.ratio:.2f}") for k in found.kernels[:_MOST_KERNELS]]
    if rows:
        print_table(("most changed kernel", "first ms", "second ms", "ratio"), rows)


@app.command("merge")
def merge_command(
    tables: Annotated[list[Path], typer.Argument(help="Tables of one device.")],
    out: Annotated[Path, typer.Option(help="File of the joint table.")],
    as_json: AsJson = False,
) -> None:
    """Join tables of the same device. Example: edgezoo latency merge a.json b.json --out both.json"""
    import latency_tables
    from latency_tables.merge import merge_tables

    merged = merge_tables([latency_tables.load_table(path) for path in tables])
    merged.save(out)
    _print_table_facts(merged, as_json)


@app.command("export")
def export_command(
    table: _TablePath,
    out: Annotated[Path, typer.Option(help="FILE.csv or FILE.parquet.")],
    networks: Annotated[bool, typer.Option(help="The measured networks instead of the kernels.")] = False,
) -> None:
    """Write a table's kernels, or its networks, as CSV or Parquet."""
    import latency_tables
    from latency_tables.formats import export_table

    export_table(latency_tables.load_table(table), out, what="networks" if networks else "kernels")


def read_spec(path: str) -> "ArchSpec":
    """Return the spec in a JSON file; raises EdgezooError where it cannot be read."""
    import zoo

    try:
        return zoo.ArchSpec.from_json(Path(path).read_bytes())
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


def _is_baseline(name: str) -> bool:
    import zoo

    try:
        zoo.get_spec(name)
    except EdgezooError:
        return True
    return False


def _matching_specs(item: str) -> "list[ArchSpec]":
    """Return the specs of `NAME`, `PATTERN` or `PATTERN@PIXELS`; raises EdgezooError where nothing matches."""
    import zoo

    pattern, _, pixels = item.partition("@")
    if pixels and not (pixels.isdecimal() and int(pixels) > 0):
        raise EdgezooError(f"--also {item!r}: after @ comes the image size in pixels")
    names = [name for name in zoo.list_models(pattern) if not _is_baseline(name)]
    if not names:
        raise EdgezooError(f"--also {item!r}: no network of the zoo matches; edgezoo models list")
    specs = [zoo.get_spec(name) for name in names]
    return [spec.at_resolution(int(pixels)) for spec in specs] if pixels else specs


def _device_line(table: "LatencyTable") -> str:
    device = table.device
    threads = f"{device.threads} thread{'s' if device.threads > 1 else ''}"
    return f"{device.runtime} {device.runtime_version} {device.dtype}, {threads} on {device.cpu}, {table.created}"


def _print_table_facts(table: "LatencyTable", as_json: bool) -> None:
    v = table.validation
    rejected = sum(o.rejected for o in table.observations)
    samples = rejected + sum(o.samples for o in table.observations)
    if as_json:
        print_json(
            {
                "device": table.device.model_dump(),
                "created": table.created,
                "space": table.space,
                "batch": table.batch,
                "networks": len(table.observations),
                "failures": [{"digest": f.spec.digest, "reason": f.reason} for f in table.failures],
                "kernels": len(table.kernels()),
                "samples": samples,
                "rejected": rejected,
                "validation": v.model_dump(),
            }
        )
        return
    print(_device_line(table))
    print(
        f"{len(table.observations)} networks of {table.space} with {len(table.kernels())} kernels; "
        f"{samples:,} samples, {rejected:,} rejected as disturbed; a median is known to {v.repeatability:.1%}"
    )
    print(
        f"predicting {v.networks} random networks left out: error {v.mape:.1%}, within 5 % {v.within_5:.0%}, "
        f"within 10 % {v.within_10:.0%}, worst {v.worst:.1%}, Kendall tau {v.kendall_tau:.2f}"
    )
    for failure in table.failures:
        print(f"left out: {failure.spec.digest}: {failure.reason}")
