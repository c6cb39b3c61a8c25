"""edgezoo compress: one network trained, quantized, exported and measured."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from edgezoo.commands import completion
from edgezoo.commands.latency import read_spec
from edgezoo.commands.options import Data, ImageSize, Runtime, Seed, Threads
from edgezoo.commands.output import AsJson, print_json, print_table

if TYPE_CHECKING:
    from model_compression import DeployArtifact
    from model_compression.export.formats import Format
    from zoo import ArchSpec
    from zoo.data import Splits


def compress_command(
    network: Annotated[
        str, typer.Argument(help="A zoo name, SPEC.json, or the folder of a run.", autocompletion=completion.networks)
    ],
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder for the model file and its card.")],
    recipe: Annotated[
        str,
        typer.Option(
            help="fast, balanced, smallest, steps joined by +, or a .json or .yaml file.",
            autocompletion=completion.recipes,
        ),
    ] = "distil+int8",
    runtime: Runtime = "onnxruntime",
    threads: Threads = 1,
    image_size: ImageSize = 32,
    epochs: Annotated[int, typer.Option(help="Epochs; the teacher takes half.", min=1)] = 30,
    teacher: Annotated[str, typer.Option(help="Network to distil from, of the zoo or timm/NAME.")] = "timm/resnet10t",
    compare: Annotated[
        list[str], typer.Option(help="Also try all number formats of a runtime, or of all, and name the fastest.")
    ] = [],  # noqa: B006
    max_drop: Annotated[float, typer.Option(help="Points of accuracy that the fastest may lose.", min=0.0)] = 1.0,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Train one network on your images, quantize, export and measure it.

    A step that loses too much accuracy or is not faster when measured is softened, then rolled back.

    Example: edgezoo compress mobilenetv3_small_050 --data digits --out compressed --compare all
    """
    from edgezoo.progress import RecipeBar, stage
    from edgezoo.settings import locked
    from model_compression import compress
    from model_compression.export.formats import fastest, shipped_formats
    from model_compression.quantization.lint import describe as told
    from model_compression.recipe.judgement import describe
    from zoo.data import load_data
    from zoo.training import TrainConfig

    tried = [pair for name in compare for pair in shipped_formats("*" if name == "all" else name)]
    spec = read_network(network, image_size)
    splits = load_data(data, resolution=image_size)
    config = TrainConfig(epochs=epochs, seed=seed)
    console = Console(stderr=True, quiet=as_json)
    with locked(out), stage(console, f"compress {network}", epochs) as advance:
        bar = RecipeBar(advance)
        artifact = compress(
            spec, splits, recipe=recipe, runtime=runtime, threads=threads, folder=out, config=config, teacher=teacher,
            on_step_begin=bar.begin, on_progress=bar.progress,
        )  # fmt: skip
    card = artifact.card
    if not as_json:
        for number, report in enumerate(card.steps, 2):
            print(f"step {number} {describe(report)}")
        for finding in card.in_float:
            print(told(finding))
    if not compare:
        print_json(card.model_dump(mode="json")) if as_json else print(_sentence(artifact))
        return
    formats = _try_all(artifact, splits, tried, console=console)
    best = fastest(formats, max_drop=max_drop / 100)
    if as_json:
        rows = [dataclasses.asdict(entry) | {"path": entry.path and str(entry.path)} for entry in formats]
        print_json({"card": card.model_dump(mode="json"), "formats": rows, "fastest": str(best.path)})
        return
    print(_sentence(artifact))
    columns = ("format", "median ms", "interval", "validation %", "drop points")
    print_table(columns, [_row(entry) for entry in formats if not entry.error])
    for entry in formats:
        if entry.error:
            print(f"{entry.runtime} {entry.dtype}: {entry.error}")
    print(f"fastest within {max_drop:g} points: {best.runtime} {best.dtype}, {best.median_ms:.3f} ms -> {best.path}")


def read_network(network: str, image_size: int) -> "ArchSpec":
    """Return the spec of a zoo name, a JSON file, or the folder of a run."""
    import zoo

    path = Path(network)
    if path.is_dir():
        return read_spec(str(path / "spec.json"))
    spec = read_spec(network) if path.suffix == ".json" else zoo.get_spec(network)
    return spec.at_resolution(image_size)


def _try_all(
    artifact: "DeployArtifact",
    splits: "Splits",
    tried: list[tuple[str, str]],
    *,
    console: Console,
) -> "list[Format]":
    from edgezoo.progress import stage
    from model_compression.compress import float_network
    from model_compression.export.formats import try_formats

    folder, device = artifact.path.parent, artifact.card.device
    with stage(console, "every format", len(tried)) as advance:
        done = 0

        def note(entry: "Format") -> None:
            nonlocal done
            done += 1
            advance(done, f"{entry.runtime} {entry.dtype}")

        return try_formats(
            float_network(artifact), splits, resolution=artifact.card.spec.resolution, folder=folder / "formats",
            formats=tried, learned=artifact.path if device.dtype == "int8" else None, threads=device.threads,
            on_format=note,
        )  # fmt: skip


def _row(entry: "Format") -> tuple[str, ...]:
    name = f"{entry.runtime} {entry.dtype}"
    interval = f"{entry.low_ms:.3f}-{entry.high_ms:.3f}"
    return (name, f"{entry.median_ms:.3f}", interval, f"{100 * entry.accuracy:.1f}", f"{100 * entry.drop:.1f}")


def _sentence(artifact: "DeployArtifact") -> str:
    card = artifact.card
    return (
        f"{card.device.runtime} {card.device.dtype}: test accuracy {artifact.accuracy:.1%}, measured "
        f"{card.measured_ms:.3f} ms (p10 {card.measured_p10_ms:.3f}, p90 {card.measured_p90_ms:.3f}), "
        f"{card.params:,} parameters -> {artifact.path}"
    )
