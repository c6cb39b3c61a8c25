"""edgezoo verify: a shipped file checked against its card."""

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from edgezoo.commands import completion
from edgezoo.commands.output import AsJson, print_json

_WORDS = {True: "holds", False: "FAILS", None: "unknown"}


def verify_command(
    artifact: Annotated[Path, typer.Argument(help="A model file with its card beside it, or the folder of both.")],
    data: Annotated[
        str | None,
        typer.Option(help="Where the images are, if not where the card says.", autocompletion=completion.data),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check bytes, accuracy and latency of a shipped file against its card.

    Example: edgezoo verify runs/digits
    """
    from model_compression.export.verify import verify_artifact

    path = artifact / "model.onnx" if artifact.is_dir() else artifact
    checks = verify_artifact(path, data)
    if as_json:
        print_json([dataclasses.asdict(check) for check in checks])
    else:
        for check in checks:
            print(f"{check.subject:<9} {_WORDS[check.holds]:<8} {check.told}")
    if any(check.holds is False for check in checks):
        raise typer.Exit(1)
