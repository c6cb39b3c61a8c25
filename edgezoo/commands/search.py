"""edgezoo search: the spaces."""

import typer

from edgezoo.commands.output import AsJson, print_json, print_table

app = typer.Typer(help="Search spaces.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    pass


@app.command("spaces")
def spaces_command(as_json: AsJson = False) -> None:
    """List the search spaces with their sizes."""
    import search

    spaces = [search.SPACES.get(name) for name in search.SPACES]
    if as_json:
        print_json({space.name: space.model_dump(mode="json") | {"size": space.size} for space in spaces})
        return
    rows = [
        (
            space.name,
            f"{space.size:.1e}",
            f"{min(space.resolutions)}-{max(space.resolutions)}",
            str(sum(len(choices) > 1 for choices in space.parameters().values())),
            " ".join(space.kinds),
        )
        for space in spaces
    ]
    print_table(("space", "networks", "pixels", "choices", "blocks"), rows)
