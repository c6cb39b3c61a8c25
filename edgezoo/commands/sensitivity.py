"""edgezoo sensitivity: which layers can take which compression."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from edgezoo.commands import completion
from edgezoo.commands.compress import read_network
from edgezoo.commands.options import Data, ImageSize, Runtime, Seed, Threads
from edgezoo.commands.output import AsJson, print_json, print_table

if TYPE_CHECKING:
    from model_compression.sensitivity.report import SensitivityReport

_MOST_ROWS = 10


def sensitivity_command(
    network: Annotated[
        str,
        typer.Argument(
            help="A zoo name, SPEC.json, or the folder of a run or of compress.", autocompletion=completion.networks
        ),
    ],
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder for sensitivity.json and sensitivity.html.")],
    runtime: Runtime = "onnxruntime",
    dtype: Annotated[
        str,
        typer.Option(help="Number format in which channels and ranks are timed.", autocompletion=completion.dtypes),
    ] = "int8",
    threads: Threads = 1,
    image_size: ImageSize = 32,
    epochs: Annotated[int, typer.Option(help="Epochs, where the network is not trained yet.", min=1)] = 30,
    images: Annotated[int, typer.Option(help="Validation images that damage is told of, at most.", min=16)] = 256,
    seconds: Annotated[float, typer.Option(help="Begin nothing new after so many; another call goes on.")] = 300.0,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Compress one layer at a time and tell the accuracy that is lost and the milliseconds that are saved.

    Of a folder its trained network is taken, of a name or a spec one is trained on your images first.

    Example: edgezoo sensitivity runs/digits --data digits --out runs/digits
    """
    from edgezoo.progress import stage
    from edgezoo.report import write_sensitivity_report
    from model_compression.compress import train_network
    from model_compression.sensitivity.measure import sensitivity_report
    from model_compression.sensitivity.report import SENSITIVITY_FILE
    from model_compression.sensitivity.trained import load_trained
    from zoo import deploy
    from zoo.data import load_data
    from zoo.errors import EdgezooError
    from zoo.training import TrainConfig

    console, splits = Console(stderr=True, quiet=as_json), load_data(data, resolution=image_size)
    if Path(network).is_dir():
        card, trained = load_trained(Path(network) / "model.onnx")
        spec = card.spec
        if card.classes != splits.classes:
            raise EdgezooError(f"the network in {network} was trained on {card.data}; {data} has other classes")
    else:
        spec, config = read_network(network, image_size), TrainConfig(epochs=epochs, seed=seed)
        with stage(console, f"train {network}", epochs) as advance:
            trained = train_network(
                spec, splits, config, teacher="", path=out / "weights.safetensors",
                on_epoch=lambda epoch: advance(epoch.number, f"loss {epoch.loss:.3f}"),
            )  # fmt: skip
        trained = deploy(trained).eval()
    with stage(console, "what layers can take", 1) as advance:
        report = sensitivity_report(
            trained, splits, resolution=spec.resolution, name=network, runtime=runtime, dtype=dtype, threads=threads,
            images=images, seconds=seconds, path=out / SENSITIVITY_FILE,
            on_effect=lambda done, total: advance(done, "", total),
        )  # fmt: skip
    write_sensitivity_report(report, out / "sensitivity.html")
    if as_json:
        print_json(report.model_dump(mode="json"))
        return
    _print(report, out)


def _print(report: "SensitivityReport", out: Path) -> None:
    from edgezoo.report.sensitivity_page import bargain_rows

    print(
        f"{report.network}: {report.accuracy:.1%} of {report.images} validation images, {report.ms:.3f} ms; "
        f"{len(report.effects)} of {report.planned} effects known"
    )
    for reason in report.left_out:
        print(f"left out: {reason}")
    rows = bargain_rows(report, _MOST_ROWS)
    if rows:
        print_table(("layer", "what saves most", "ms saved", "points lost", "KL, nats"), rows)
    print(f"most sensitive: {', '.join(report.most_sensitive()[:3])} -> {out / 'sensitivity.html'}")
