"""The `edgezoo` command."""

import sys

import typer
from rich.console import Console

from edgezoo.commands import compress, doctor, latency_table, models, run, search, sensitivity, verify
from zoo import EdgezooError

app = typer.Typer(
    help="Small image classifiers, searched for, distilled, quantized and measured on your device.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("run")(run.run_command)
app.add_typer(models.app, name="models")
app.add_typer(latency_table.app, name="latency")
app.add_typer(search.app, name="search")
app.command("compress")(compress.compress_command)
app.command("sensitivity")(sensitivity.sensitivity_command)
app.command("verify")(verify.verify_command)
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
