"""The `edgezoo` command."""

import sys
from typing import Annotated

import typer
from rich.console import Console

from edgezoo.commands import compress, doctor, hub, latency_table, models, run, search, verify
from zoo.errors import EdgezooError

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"edgezoo {version('edgezoo')}")
        raise typer.Exit


@app.callback()
def edgezoo(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Small image classifiers, searched for, distilled, quantized and measured on your device.

    Every command tells more with --help, and prints JSON for machines with --json.

    It exits with 0, with 1 and one line of error, or with 2 where it was called wrongly.

    Example: edgezoo run --data digits --budget-ms 0.3 --out runs/digits
    """


app.command("run")(run.run_command)
app.add_typer(models.app, name="models")
app.add_typer(latency_table.app, name="latency")
app.add_typer(search.app, name="search")
app.command("compress")(compress.compress_command)
app.command("verify")(verify.verify_command)
app.command("push")(hub.push_command)
app.command("pull")(hub.pull_command)
app.command("doctor")(doctor.doctor_command)


def main() -> None:
    """Run the command line; failures are one line on standard error and exit code 1."""
    try:
        app()
    except EdgezooError as error:
        message = " ".join(str(error).split())
        Console(stderr=True, soft_wrap=True).print(f"error: {message}", style="red", markup=False, highlight=False)
        sys.exit(1)
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
