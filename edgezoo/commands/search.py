"""edgezoo search: start, resume, watch, report and export searches; the spaces."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from edgezoo.commands import completion
from edgezoo.commands.options import Data, ImageSize, Seed
from edgezoo.commands.output import AsJson, print_json, print_table
from zoo.errors import EdgezooError

if TYPE_CHECKING:
    from search import SearchResult

app = typer.Typer(help="Searches for accurate networks within a latency budget.", no_args_is_help=True)

_Folder = Annotated[Path, typer.Argument(help="Folder of a search.")]
_Workers = Annotated[int, typer.Option(help="Processes that score candidates; 0 = one a core.", min=0)]
_RayAddress = Annotated[str | None, typer.Option(help="Ray cluster that scores: auto, HOST:PORT or ray://HOST:PORT.")]


@app.command("spaces")
def spaces_command(as_json: AsJson = False) -> None:
    """List the search spaces with their sizes.

    Example: edgezoo search spaces
    """
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


@app.command("start")
def start_command(
    data: Data,
    budget_ms: Annotated[
        list[str], typer.Option(help="Most milliseconds for one image; NAME=MS for each of several tables.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the search.")],
    table: Annotated[
        list[str],
        typer.Option(
            help="Latency table: a file or a shipped name; NAME=TABLE for each of several devices.",
            autocompletion=completion.tables,
        ),
    ] = ["onnxruntime-int8"],  # noqa: B006
    space: Annotated[
        str, typer.Option(help="A space of edgezoo search spaces, or FILE.json.", autocompletion=completion.spaces)
    ] = "tiny",
    image_size: ImageSize = 32,
    trials: Annotated[int, typer.Option(help="Candidates to score.", min=1)] = 100,
    epochs: Annotated[int, typer.Option(help="Epochs for each candidate.", min=1)] = 5,
    sampler: Annotated[
        str,
        typer.Option(
            help="front (ours), tpe, nsga2, nsga3, gp, evolution or random.", autocompletion=completion.samplers
        ),
    ] = "front",
    pruner: Annotated[
        str,
        typer.Option(help="Early stopping: none, asha, hyperband or median.", autocompletion=completion.pruners),
    ] = "none",
    score: Annotated[
        str, typer.Option(help="How accuracy is found: training or supernet.", autocompletion=completion.scores)
    ] = "training",
    training_free: Annotated[
        list[str],
        typer.Option(
            help="Training-free score that the sampler front guesses with: nwot, synflow, ...",
            autocompletion=completion.training_free,
        ),
    ] = [],  # noqa: B006
    supernet_epochs: Annotated[int, typer.Option(help="Epochs of the supernet that scores.", min=1)] = 30,
    objective: Annotated[
        list[str], typer.Option(help="Cost to minimise beside maximising accuracy; the latencies by default.")
    ] = [],  # noqa: B006
    limit: Annotated[list[str], typer.Option(help="params_m=, macs_m=, peak_memory_mb= or size_mb=MOST.")] = [],  # noqa: B006
    start_from: Annotated[
        list[str],
        typer.Option(help="Zoo network of the space to score first.", autocompletion=completion.networks),
    ] = [],  # noqa: B006
    max_seconds: Annotated[float | None, typer.Option(help="For one scoring; one that takes longer failed.")] = None,
    storage: Annotated[str | None, typer.Option(help="Optuna URL instead of a database in the folder.")] = None,
    seed: Seed = 0,
    workers: _Workers = 0,
    ray_address: _RayAddress = None,
    as_json: AsJson = False,
) -> None:
    """Start a search for accurate networks within a budget; stopped, the same command goes on.

    Several processes and machines work on one search: each is given the same --storage.

    Example: edgezoo search start --data digits --budget-ms 0.3 --trials 40 --out runs/mine

    Example: edgezoo search start --data folder:photos --table phone=phone.json --budget-ms phone=4 --out runs/phone
    """
    from pydantic import ValidationError

    from edgezoo.search_folder import SearchSettings, save_search
    from latency_tables import load_table
    from search.objectives import make_goal
    from search.samplers import SAMPLERS
    from search.spaces import load_space
    from zoo.spec import one_line

    SAMPLERS.get(sampler)
    tables = {name: load_table(place) for name, place in _named(table, "--table").items()}
    budgets = {name: _number(value, "--budget-ms") for name, value in _named(budget_ms, "--budget-ms").items()}
    if list(budgets) == [""] and list(tables) != [""]:
        budgets = dict.fromkeys(tables, budgets[""])
    if set(budgets) != set(tables):
        raise EdgezooError("--budget-ms and --table name different devices")
    limits = {name: _number(value, "--limit") for name, value in _named(limit, "--limit").items()}
    try:
        settings = SearchSettings(
            space=load_space(space).model_dump(mode="json"), data=data, image_size=image_size, budgets_ms=budgets,
            limits=limits, objectives=tuple(objective), trials=trials, epochs=epochs, seed=seed, sampler=sampler,
            pruner=pruner, score=score, supernet_epochs=supernet_epochs,
            training_free=tuple(training_free), start_from=tuple(start_from), max_seconds=max_seconds, storage=storage,
        )  # fmt: skip
    except ValidationError as error:
        raise EdgezooError(one_line(error)) from None
    make_goal(tables, budgets, limits, tuple(objective))
    save_search(out, settings, tables)
    _go_on(out, workers, ray_address, as_json)


@app.command("resume")
def resume_command(
    folder: _Folder, workers: _Workers = 0, ray_address: _RayAddress = None, as_json: AsJson = False
) -> None:
    """Go on with a search, or help with one that another process runs.

    Example: edgezoo search resume runs/mine --workers 2
    """
    _go_on(folder, workers, ray_address, as_json)


@app.command("status")
def status_command(folder: _Folder, as_json: AsJson = False) -> None:
    """Tell how far a search is, from anywhere and at any time.

    Example: edgezoo search status runs/mine
    """
    from edgezoo.search_folder import status_of

    status = status_of(folder)
    if as_json:
        print_json(status)
        return
    ended = f"{status['failed']} failed, {status['stopped_early']} stopped early"
    print(
        f"{status['scored']} of {status['trials']} scored ({ended}), {status['rejected']} rejected unseen; "
        f"{status['in_flight']} in flight in {status['processes']} processes"
    )
    if status["best_accuracy"] is not None:
        print(
            f"best accuracy {status['best_accuracy']:.1%}; {status['seconds_each']:.0f} s each, "
            f"{status['seconds_left_on_one_worker'] / 60:.0f} min left on one worker"
        )


@app.command("report")
def report_command(
    folder: _Folder,
    baseline: Annotated[
        list[str],
        typer.Option(help="Zoo network drawn beside, at its predicted latency.", autocompletion=completion.networks),
    ] = [],  # noqa: B006
    as_json: AsJson = False,
) -> None:
    """Write FOLDER/report.html: the front, what mattered, the best network with its latency a stage.

    Example: edgezoo search report runs/mine --baseline mobilenetv1_025
    """
    from edgezoo.report import write_search_report
    from edgezoo.report.search_figures import BaselinePoint
    from edgezoo.search_folder import load_goal, load_settings, result_of, study_of
    from zoo import get_spec

    settings = load_settings(folder)
    table = load_goal(folder, settings).table
    specs = {name: get_spec(name).at_resolution(settings.image_size) for name in baseline}
    drawn = [BaselinePoint(name, table.predict_any(spec).ms) for name, spec in specs.items()]
    path = folder / "report.html"
    write_search_report(
        result_of(folder),
        path,
        space=settings.read_space(),
        table=table,
        study=study_of(folder),
        baselines=drawn,
    )
    print_json({"report": str(path)}) if as_json else print(path)


@app.command("export")
def export_command(
    folder: _Folder,
    out: Annotated[Path, typer.Option(help="FILE.csv, FILE.json or FILE.parquet.")],
) -> None:
    """Write the candidates of a search with all their choices.

    Example: edgezoo search export runs/mine --out candidates.csv
    """
    from edgezoo.report.export import candidates_frame, frame_bytes
    from edgezoo.search_folder import result_of, study_of
    from zoo.files import write_atomic

    write_atomic(out, frame_bytes(candidates_frame(result_of(folder), study_of(folder)), out.suffix.removeprefix(".")))


def _go_on(folder: Path, workers: int, ray_address: str | None, as_json: bool) -> None:
    from edgezoo.progress import stage
    from edgezoo.search_folder import go_on, load_settings
    from latency_tables.machine import available_cores

    settings, console = load_settings(folder), Console(stderr=True, quiet=as_json)
    with stage(console, f"searching space {settings.space['name']}", settings.trials) as advance:
        result = go_on(
            folder,
            workers=workers or available_cores(),
            ray_address=ray_address,
            on_trial=lambda done, total, best: advance(done, f"best {best:.1%}"),
        )
    _print_result(result, as_json)


def _print_result(result: "SearchResult", as_json: bool) -> None:
    front = result.pareto_front
    if as_json:
        print_json(
            {
                "front": [
                    {"trial": c.trial, "accuracy": c.accuracy, "params": c.params, "macs": c.macs}
                    | {"costs": dict(c.costs), "spec": c.spec.model_dump(mode="json", exclude_defaults=True)}
                    for c in front
                ],
                "scored": len(result.candidates),
                "rejected": result.rejected,
                "stopped_early": result.stopped,
                "failed": result.failed,
            }
        )
        return
    print(
        f"{len(result.candidates)} scored, {result.stopped} stopped early, {result.rejected} rejected unseen, "
        f"{len(result.failed)} failed; the front:"
    )
    rows = [
        (str(c.trial), f"{c.accuracy:.1%}", f"{c.predicted_ms:.3f}", f"{c.params:,}", f"{c.macs / 1e6:.1f}")
        for c in front
    ]
    print_table(("trial", "accuracy", "predicted ms", "parameters", "MACs M"), rows)


def _named(items: list[str], option: str) -> dict[str, str]:
    """Return what `NAME=VALUE` options say; a single plain VALUE has the name ""."""
    pairs = [item.rpartition("=")[::2] for item in items]
    if len(dict(pairs)) < len(pairs) or (len(pairs) > 1 and any(not name for name, _ in pairs)):
        raise EdgezooError(f"{option} given several times takes NAME=VALUE, each name once")
    return dict(pairs)


def _number(text: str, option: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise EdgezooError(f"{option}: {text!r} is no number") from None
