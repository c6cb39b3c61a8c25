"""edgezoo latency: making, showing, comparing, joining and exporting tables."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from edgezoo.commands import completion
from edgezoo.commands.latency import Batch, Device, Dtype, Runtime, TablePath, Threads, app, device_line
from edgezoo.commands.output import AsJson, print_json, print_table
from zoo.errors import EdgezooError

if TYPE_CHECKING:
    from latency_tables import LatencyTable
    from zoo import ArchSpec

_MOST_KERNELS = 15


@app.command("build")
def build_command(
    out: Annotated[Path, typer.Option(help="File of the table; a stopped build goes on from FILE.progress.")],
    space: Annotated[
        str, typer.Option(help="Space that networks are drawn from.", autocompletion=completion.spaces)
    ] = "tiny",
    also: Annotated[
        list[str], typer.Option(help="Zoo networks measured beside those, NAME or PATTERN, then @PIXELS.")
    ] = [],  # noqa: B006
    runtime: Runtime = "onnxruntime",
    dtype: Dtype = "fp32",
    threads: Threads = 1,
    networks: Annotated[int, typer.Option(help="How many networks of the space are measured.", min=20)] = 120,
    batch: Batch = 1,
    in_chans: Annotated[int, typer.Option(help="Channels of an image.", min=1)] = 3,
    num_classes: Annotated[int, typer.Option(help="Classes of the head.", min=1)] = 10,
    device: Device = "local",
    as_json: AsJson = False,
) -> None:
    """Measure a latency table of a device, in minutes; stopped, the same command goes on.

    Example: edgezoo latency build --dtype int8 --out host-int8.json
    """
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
def show_command(table: TablePath, as_json: AsJson = False) -> None:
    """Show a table's device, how well it predicts, and its dearest kernels.

    Example: edgezoo latency show onnxruntime-int8
    """
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


@app.command("diff")
def diff_command(
    first: TablePath,
    second: Annotated[
        Path,
        typer.Argument(help="Another: of another device, or of another day.", autocompletion=completion.tables),
    ],
    as_json: AsJson = False,
) -> None:
    """Compare two tables: by the networks both measured, and by what each predicts for all of them.

    Example: edgezoo latency diff onnxruntime-fp32 onnxruntime-int8
    """
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
    tables: Annotated[list[Path], typer.Argument(help="Tables of one device.", autocompletion=completion.tables)],
    out: Annotated[Path, typer.Option(help="File of the joint table.")],
    as_json: AsJson = False,
) -> None:
    """Join tables of the same device.

    Example: edgezoo latency merge a.json b.json --out both.json
    """
    import latency_tables
    from latency_tables.merge import merge_tables

    merged = merge_tables([latency_tables.load_table(path) for path in tables])
    merged.save(out)
    _print_table_facts(merged, as_json)


@app.command("export")
def export_command(
    table: TablePath,
    out: Annotated[Path, typer.Option(help="FILE.csv or FILE.parquet.")],
    networks: Annotated[bool, typer.Option(help="The measured networks instead of the kernels.")] = False,
) -> None:
    """Write a table's kernels, or its networks, as CSV or Parquet.

    Example: edgezoo latency export onnxruntime-int8 --out kernels.csv
    """
    import latency_tables
    from latency_tables.formats import export_table

    export_table(latency_tables.load_table(table), out, what="networks" if networks else "kernels")


def _matching_specs(item: str) -> "list[ArchSpec]":
    """Return the specs of `NAME`, `PATTERN` or `PATTERN@PIXELS`; raises EdgezooError where nothing matches."""
    import zoo

    pattern, _, pixels = item.partition("@")
    if pixels and not (pixels.isdecimal() and int(pixels) > 0):
        raise EdgezooError(f"--also {item!r}: after @ comes the image size in pixels")
    names = [name for name in zoo.list_models(pattern) if zoo.model_info(name).blocks]
    if not names:
        raise EdgezooError(f"--also {item!r}: no network of the zoo matches; edgezoo models list")
    specs = [zoo.get_spec(name) for name in names]
    return [spec.at_resolution(int(pixels)) for spec in specs] if pixels else specs


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
    print(device_line(table))
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
