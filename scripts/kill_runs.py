"""What survives of edgezoo's long commands when they are killed (-9) at random moments. Prints a Markdown table.

usage: python scripts/kill_runs.py --kills 50 --out build/kills

A job is started with its whole process group, killed after a random while, looked at, and started again: nothing that
was finished may be lost or done twice, and no file may be damaged. One that ends before its next kill is checked
against an undisturbed one, and the kills go on with another. Seeded: the moments are the same each time, the machine's
pace is not.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import onnx
import optuna
from optuna.trial import TrialState

from edgezoo.settings import RunSettings
from latency_tables import load_table
from model_compression.export.verify import read_card, verify_artifact
from search.storage import open_study
from zoo import ArchSpec, EdgezooError
from zoo.weights.files import read_tensors

Finished = Mapping[str, str]  # what is finished, and what tells whether it was done again; "" where nothing does
_EARLIEST_SECONDS = 3.0
_RECIPE = """\
- {step: distil}
- {step: prune, method: uniform, keep: 0.75, epochs: 2, max_drop: 1, max_ratio: null}
- {step: train, epochs: 2, max_drop: 1}
- {step: quantize, max_drop: 1, max_ratio: null, required: true}
"""


@dataclass(frozen=True)
class Job:
    """A command that is killed.

    Attributes:
        unit: what it finishes one after another.
        arguments: of `edgezoo`, for a folder.
        finished: what is finished in a folder.
        given: files that an undisturbed job takes over, for what is measured differs each time.
        outcome: what must be the same as without kills; raises EdgezooError where the result is not valid.
    """

    name: str
    unit: str
    arguments: Callable[[Path], list[str]]
    finished: Callable[[Path], Finished]
    given: tuple[str, ...]
    outcome: Callable[[Path], Finished]


@dataclass
class Tally:
    """What the kills of one job did.

    Attributes:
        damaged: files that could not be read after a kill.
        left: files of writes that were cut off, which nothing reads.
        wrong: how jobs ended that did not end well.
    """

    jobs: int = 0
    kills: int = 0
    finished: int = 0
    lost: int = 0
    repeated: int = 0
    damaged: list[str] = field(default_factory=list)
    left: int = 0
    wrong: list[str] = field(default_factory=list)


def run_arguments(folder: Path, *extra: str) -> list[str]:
    """Return the main job on the digits, one to two minutes of it."""
    return [
        "run", "--data", "digits", "--budget-ms", "20", "--out", str(folder), "--image-size", "24", "--trials", "8",
        "--epochs", "1", "--final-epochs", "2", "--table-networks", "12", "--table-seconds", "0.2",
        "--teacher", "mobilenetv1_025", "--workers", "1", *extra,
    ]  # fmt: skip


def finished_trials(folder: Path) -> Finished:
    """Return the complete trials of the study in `folder`, which is looked at in a copy: opening it may mend it."""
    if not (folder / "study.db").exists():
        return {}
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with _copy_of_database(folder / "study.db") as copy:
        try:
            trials = open_study(copy.parent).get_trials(deepcopy=False)
        except EdgezooError:  # killed before the study was made
            return {}
        done = [t for t in trials if t.state == TrialState.COMPLETE]
        twice = [digest for digest, count in Counter(t.user_attrs["digest"] for t in done).items() if count > 1]
        found = {f"trial {t.number}": f"{t.user_attrs['digest']} {t.datetime_complete}" for t in done}
    return found | {f"{digest} in two trials": "" for digest in twice}


def run_outcome(folder: Path) -> Finished:
    """Return the trials with their networks and accuracies, and the shipped bytes."""
    _check_artifact(folder)
    trials = open_study(folder).get_trials(deepcopy=False)
    scored = {str(t.number): f"{t.user_attrs['digest']} {t.user_attrs['accuracy']}" for t in trials if t.values}
    return scored | {"model.onnx": read_card(folder / "model.onnx").sha256}


def build_arguments(folder: Path) -> list[str]:
    """Return the build of a small table."""
    return ["latency", "build", "--networks", "20", "--in-chans", "1", "--out", str(folder / "table.json")]


def finished_samples(folder: Path) -> Finished:
    """Return every latency sample, by its network and number."""
    path, table = folder / "table.json.progress", folder / "table.json"
    if table.exists():
        return {
            f"{o.spec.digest} {i}": "" for o in load_table(table).observations for i in range(o.samples + o.rejected)
        }
    found: dict[str, list[str]] = {}
    for line in path.read_text().splitlines(keepends=True) if path.exists() else ():
        if line.endswith("\n"):
            entry = json.loads(line)
            found.setdefault(entry.get("network", ""), []).extend(map(str, entry.get("samples", ())))
    return {f"{network} {i}": sample for network, samples in found.items() for i, sample in enumerate(samples)}


def build_outcome(folder: Path) -> Finished:
    """Return the networks that were measured."""
    return {o.spec.digest: "" for o in load_table(folder / "table.json").observations}


def compress_arguments(folder: Path) -> list[str]:
    """Return a recipe of four steps, each of which takes some seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.yaml").write_text(_RECIPE)
    return [
        "compress", "mobilenetv1_025", "--data", "digits", "--out", str(folder), "--recipe",
        str(folder / "recipe.yaml"), "--epochs", "6", "--teacher", "mobilenetv1_025",
    ]  # fmt: skip


def finished_steps(folder: Path) -> Finished:
    """Return the weights that each step left, with the moment they were written."""
    paths = [folder / "teacher.safetensors", folder / "weights.safetensors", *folder.glob("steps/[0-9]*.safetensors")]
    return {path.stem: str(path.stat().st_mtime_ns) for path in paths if path.exists()}


def compress_outcome(folder: Path) -> Finished:
    """Return which steps stayed, and the shipped bytes."""
    _check_artifact(folder)
    card = read_card(folder / "model.onnx")
    return {f"{number} {step.step}": str(step.kept) for number, step in enumerate(card.steps)} | {"": card.sha256}


JOBS = (
    Job("edgezoo run", "trials", run_arguments, finished_trials, ("table.json", "table-fp32.json"), run_outcome),
    Job("edgezoo latency build", "samples", build_arguments, finished_samples, (), build_outcome),
    Job("edgezoo compress", "steps", compress_arguments, finished_steps, (), compress_outcome),
)


def _check_artifact(folder: Path) -> None:
    # the latency depends on what else the machine does
    failed = [check.told for check in verify_artifact(folder / "model.onnx") if check.holds is False]
    failed = [told for told in failed if " ms, the card says" not in told]
    if failed:
        raise EdgezooError("; ".join(failed))


@contextlib.contextmanager
def _copy_of_database(path: Path) -> Iterator[Path]:
    """Copy an SQLite database, with the journal of a transaction that was cut off: opening it would end that."""
    with tempfile.TemporaryDirectory() as folder:
        for part in path.parent.glob(path.name + "*"):
            shutil.copyfile(part, Path(folder, part.name))
        yield Path(folder, path.name)


def _read_database(path: Path) -> None:
    with _copy_of_database(path) as copy:
        connection = sqlite3.connect(copy)
        try:
            (answer,) = connection.execute("PRAGMA integrity_check").fetchone()
        finally:
            connection.close()
    if answer != "ok":
        raise ValueError(answer)


def _read_json(path: Path) -> None:
    if path.name.startswith("table"):
        load_table(path)
    elif path.name == "model.json":
        read_card(path.with_suffix(".onnx"))
    elif path.name == "spec.json":
        ArchSpec.from_json(path.read_bytes())
    elif path.name == "settings.json":
        RunSettings.model_validate_json(path.read_bytes())
    else:
        json.loads(path.read_bytes())


def _read_onnx(path: Path) -> None:
    onnx.checker.check_model(onnx.load(path), full_check=True)


def _read_log(path: Path) -> None:
    for line in path.read_text().splitlines(keepends=True):
        if line.endswith("\n"):
            json.loads(line)


_READERS = {
    ".json": _read_json,
    ".safetensors": read_tensors,
    ".onnx": _read_onnx,
    ".db": _read_database,
    ".progress": _read_log,
}


def damaged_files(folder: Path) -> list[str]:
    """Return the files below `folder` that their own reader refuses, each with the reason."""
    found = []
    for path in sorted(folder.rglob("*")):
        reader = _READERS.get(path.suffix)
        if reader and path.is_file() and not _is_cut_off(path):
            try:
                reader(path)
            except Exception as error:  # whatever a damaged file makes its reader raise
                found.append(f"{path.relative_to(folder)}: {type(error).__name__}: {error}")
    return found


def _is_cut_off(path: Path) -> bool:
    """Return whether `path` is a file half written under another name, as `zoo.files` and the exporters use."""
    return path.suffix in (".partial", ".prepared") or (path.name.startswith(".") and path.name.count(".") >= 3)


def start(arguments: list[str], log: Path) -> "subprocess.Popen[bytes]":
    """Start `edgezoo` in a process group of its own."""
    with log.open("ab") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "edgezoo.cli", *arguments], stdout=file, stderr=file, start_new_session=True
        )


def finish(arguments: list[str], log: Path) -> None:
    """Run `edgezoo` to its end; raises EdgezooError with its last line where it fails."""
    if start(arguments, log).wait():
        raise EdgezooError(log.read_text().strip().splitlines()[-1])


def compare(before: Finished, after: Finished) -> tuple[int, int]:
    """Return how much of what was finished is lost, and how much was done again."""
    lost = sum(name not in after for name in before)
    again = sum(bool(mark and after.get(name, "") not in ("", mark)) for name, mark in before.items())
    return lost, again + sum(name.endswith("in two trials") for name in after)


def kill_one(job: Job, folder: Path, moments: Iterator[float], tally: Tally, most: int) -> Finished:
    """Start `job` in `folder` until it ends, killing it at `moments` up to `most` kills; return what it finished.

    Raises EdgezooError where it fails by itself.
    """
    log, known = folder.with_suffix(".log"), dict[str, str]()
    while True:
        process = start(job.arguments(folder), log)
        try:
            if tally.kills < most:
                process.wait(next(moments))
            else:
                process.wait()
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            tally.kills += 1
        now = job.finished(folder)
        lost, repeated = compare(known, now)
        tally.lost, tally.repeated, known = tally.lost + lost, tally.repeated + repeated, dict(now)
        tally.damaged += damaged_files(folder)
        if process.returncode == 0:
            return known
        if process.returncode > 0:
            raise EdgezooError(f"{job.name} failed: {log.read_text().strip().splitlines()[-1]}")


def kill(job: Job, kills: int, folder: Path, *, seed: int = 0, longest: float | None = None) -> Tally:
    """Kill `job` so many times, in one folder after another below `folder`; return what that did.

    `longest` is the most seconds that it is left alone; by default two thirds of what it takes undisturbed.
    """
    rng, tally = random.Random(f"{job.name} {seed}"), Tally()
    if longest is None:
        began = time.monotonic()
        finish(job.arguments(folder / "alone"), folder / "alone.log")
        longest = (time.monotonic() - began) * 2 / 3
    limit = max(longest, _EARLIEST_SECONDS)
    moments = iter(lambda: rng.uniform(_EARLIEST_SECONDS, limit), None)
    while tally.kills < kills:
        disturbed, alone = folder / f"killed-{tally.jobs}", folder / f"alone-{tally.jobs}"
        try:
            tally.finished += len(kill_one(job, disturbed, moments, tally, kills))
            alone.mkdir()
            for name in job.given:
                shutil.copyfile(disturbed / name, alone / name)
            finish(job.arguments(alone), alone.with_suffix(".log"))
            if job.outcome(disturbed) != job.outcome(alone):
                tally.wrong.append(f"{disturbed} differs from {alone}")
        except EdgezooError as error:
            tally.wrong.append(f"{disturbed}: {error}")
        tally.jobs += 1
        tally.left += sum(_is_cut_off(path) for path in disturbed.rglob("*"))
        told = f"{tally.kills} kills, {tally.lost} lost, {tally.repeated} repeated, {len(tally.damaged)} damaged"
        print(f"{job.name}: {told}", file=sys.stderr, flush=True)
    return tally


def row(job: Job, tally: Tally) -> str:
    """Return a line of the table."""
    valid = f"{tally.jobs - len(tally.wrong)} of {tally.jobs}"
    return (
        f"| `{job.name}` | {tally.kills} | {tally.finished:,} {job.unit} | {tally.lost} | {tally.repeated} | "
        f"{len(tally.damaged)} | {valid} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Kill edgezoo's long commands and see what survives.")
    parser.add_argument("--kills", type=int, default=50, help="of each command")
    parser.add_argument("--jobs", nargs="+", default=[job.name for job in JOBS], choices=[job.name for job in JOBS])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("build/kills"), help="folder for the jobs; made anew")
    args = parser.parse_args()
    chosen = [job for job in JOBS if job.name in args.jobs]
    tallies = []
    for job in chosen:
        folder = args.out.resolve() / job.name.replace(" ", "-")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        tallies.append(kill(job, args.kills, folder, seed=args.seed))
    print("| command | kills | finished in all | lost | done twice | damaged files | valid, as without kills |")
    print("|---|---|---|---|---|---|---|")
    for job, tally in zip(chosen, tallies, strict=True):
        print(row(job, tally))
    print(f"\nFiles of cut-off writes left beside the real ones: {sum(tally.left for tally in tallies)}")
    for trouble in (trouble for tally in tallies for trouble in (*tally.damaged, *tally.wrong)):
        print(f"- {trouble}")
    sys.exit(any(tally.lost or tally.repeated or tally.damaged or tally.wrong for tally in tallies))


if __name__ == "__main__":
    main()
