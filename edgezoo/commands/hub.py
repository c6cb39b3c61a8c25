"""edgezoo push and pull: artifacts to and from the Hugging Face Hub."""

from pathlib import Path
from typing import Annotated

import typer

from edgezoo.commands.output import AsJson, print_json

_RepoId = Annotated[str, typer.Argument(help="Repository of the Hub: USER/NAME.")]


def push_command(
    folder: Annotated[Path, typer.Argument(help="Folder of an artifact: of a run, or of edgezoo compress.")],
    repo_id: _RepoId,
    private: Annotated[bool, typer.Option("--private", help="Only you may read it, if it is new.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put an artifact on the Hugging Face Hub: model.onnx, its card, and a README.md with the figures.

    Needs the extra hub of edgezoo, and hf auth login or HF_TOKEN.

    Example: edgezoo push runs/digits user/digits-in-a-tenth-of-a-millisecond
    """
    from edgezoo.hub import push_artifact

    address = push_artifact(folder, repo_id, private=private)
    print_json({"address": address}) if as_json else print(address)


def pull_command(
    repo_id: _RepoId,
    out: Annotated[Path, typer.Option(help="Folder for the model file and its card.")],
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit; the newest by default.")] = None,
    as_json: AsJson = False,
) -> None:
    """Get an artifact from the Hugging Face Hub, its bytes checked against its card; edgezoo verify does the rest.

    Needs the extra hub of edgezoo.

    Example: edgezoo pull user/digits-in-a-tenth-of-a-millisecond --out digits
    """
    from edgezoo.hub import pull_artifact

    artifact = pull_artifact(repo_id, out, revision=revision)
    if as_json:
        print_json({"path": str(artifact.path), "card": artifact.card.model_dump(mode="json")})
        return
    print(f"{artifact.path}: test accuracy {artifact.accuracy:.1%}, {artifact.measured_ms:.3f} ms where it was made")
