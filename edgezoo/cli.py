"""The `edgezoo` command."""

import re
import sys
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from edgezoo.commands import compress, doctor, hub, latency_table, models, run, search, sensitivity, verify
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
app.command("sensitivity")(sensitivity.sensitivity_command)
app.command("verify")(verify.verify_command)
app.command("push")(hub.push_command)
app.command("pull")(hub.pull_command)
app.command("doctor")(doctor.doctor_command)


# what PyTorch says on a processor, and on a GPU
_OUT_OF_MEMORY = re.compile("can't allocate memory|out of memory")


def main() -> None:
    """Run the command line; failures are one line on standard error and exit code 1."""
    try:
        app()
    except EdgezooError as error:
        _fail(str(error))
    except OSError as error:  # a full disk, a file that may not be read: the system says it in its own words
        _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not _OUT_OF_MEMORY.search(str(error)):
            raise
        _fail("not enough memory: take a smaller --image-size, a smaller network or a smaller space")
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        sys.exit(1)


def _fail(message: str) -> NoReturn:
    line = " ".join(message.split())
    Console(stderr=True, soft_wrap=True).print(f"error: {line}", style="red", markup=False, highlight=False)
    sys.exit(1)


if __name__ == "__main__":
    main()
