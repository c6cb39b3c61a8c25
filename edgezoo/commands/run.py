"""edgezoo run: the main job."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from edgezoo.commands import completion
from edgezoo.commands.options import Data, ImageSize, Seed, Threads
from edgezoo.commands.output import AsJson, print_json
from zoo.errors import EdgezooError


def run_command(
    data: Data,
    budget_ms: Annotated[float, typer.Option(help="Most milliseconds for one image.", min=0.0)],
    out: Annotated[Path, typer.Option(help="Run folder; the same command goes on from what it holds.")],
    runtime: Annotated[
        str,
        typer.Option(
            help="What executes the network; see edgezoo latency runtimes.", autocompletion=completion.runtimes
        ),
    ] = "onnxruntime",
    dtype: Annotated[
        str, typer.Option(help="Number format of the shipped network.", autocompletion=completion.dtypes)
    ] = "int8",
    threads: Threads = 1,
    space: Annotated[
        str, typer.Option(help="Search space; see edgezoo search spaces.", autocompletion=completion.spaces)
    ] = "tiny",
    image_size: ImageSize = 32,
    trials: Annotated[int, typer.Option(help="Candidates to train.", min=1)] = 24,
    epochs: Annotated[int, typer.Option(help="Epochs for each candidate.", min=1)] = 5,
    final_epochs: Annotated[int, typer.Option(help="Epochs for the winner; the teacher takes half.", min=1)] = 30,
    teacher: Annotated[
        str,
        typer.Option(help="Network to distil from, of the zoo or timm/NAME.", autocompletion=completion.networks),
    ] = "timm/resnet10t",
    recipe: Annotated[
        str,
        typer.Option(
            help="What is done to the winner; see edgezoo compress.",
            show_default="distil+DTYPE",
            autocompletion=completion.recipes,
        ),
    ] = "",
    table_networks: Annotated[int, typer.Option(help="Networks measured for the latency table.", min=12)] = 60,
    table_seconds: Annotated[float, typer.Option(help="Most seconds for each of them.", min=0.01)] = 1.0,
    sensitivity_seconds: Annotated[
        float, typer.Option(help="Most seconds for a table of what each layer can take; 0 = none.", min=0.0)
    ] = 0.0,
    workers: Annotated[int, typer.Option(help="Processes that train candidates; 0 = one a core.", min=0)] = 0,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Find, distil, quantize and measure a network for your images within a millisecond budget.

    Stopped at any moment, the same command goes on from where it was.

    Example: edgezoo run --data digits --budget-ms 0.3 --out runs/digits

    Example: edgezoo run --data folder:photos --runtime openvino --budget-ms 2 --image-size 96 --out runs/photos
    """
    from pydantic import ValidationError

    from edgezoo.run import run, summary
    from edgezoo.settings import RunSettings
    from latency_tables.machine import available_cores
    from zoo.spec import one_line

    try:
        settings = RunSettings(
            data=data, runtime=runtime, dtype=dtype, threads=threads, budget_ms=budget_ms, space=space,
            image_size=image_size, trials=trials, epochs=epochs, final_epochs=final_epochs, teacher=teacher,
            recipe=recipe, table_networks=table_networks, table_seconds=table_seconds, seed=seed,
        )  # fmt: skip
    except ValidationError as error:
        raise EdgezooError(one_line(error)) from None
    console = Console(stderr=True, quiet=as_json)
    result = run(
        settings, out, workers=workers or available_cores(), sensitivity_seconds=sensitivity_seconds, console=console
    )
    if as_json:
        print_json({"card": result.artifact.card.model_dump(mode="json"), "seconds": round(result.seconds, 1)})
        return
    Console(soft_wrap=True).print("\n".join(summary(result)), markup=False, highlight=False)
