"""A machine and a user that are not kind: no disk left, no memory, no right to write, a clock that jumps."""

import ast
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

import zoo
from model_compression import compress
from search import SPACES, SearchError, run_search
from search.ownership import LEASE, OWNER, Ownership
from search.scores import ScoreTask, score
from search.storage import open_study
from zoo import ArchSpec, BlockSpec, EdgezooError
from zoo.errors import TrainingDivergedError
from zoo.training import TrainConfig
from zoo.weights import load_model, save_model

_ROOT = Path(zoo.__file__).parents[1]
_PACKAGES = ("zoo", "latency_tables", "search", "model_compression", "edgezoo")
_SMALL = ("--data", "digits", "--image-size", 16, "--teacher", "mobilenetv1_025")
_HUGE = ArchSpec(resolution=96, blocks=(BlockSpec(kind="conv", out_chans=16384),))  # 38 GB for a batch of 64


@pytest.fixture
def net():
    return zoo.get_spec("mobilenetv1_025").at_resolution(16).build(10, 1, seed=0)


def test_a_candidate_whose_loss_becomes_nan_fails_alone(digits, net):
    found = score(ScoreTask(3, net.spec.to_json(), TrainConfig(epochs=2, lr=1e38)), digits)
    assert found.accuracy is None and re.search("TrainingDivergedError: the loss became (nan|inf)", found.failure)


def test_a_network_that_diverges_leaves_no_weights(digits, net, tmp_path):
    with pytest.raises(TrainingDivergedError, match="the loss became"):
        compress(net.spec, digits, recipe="train+fp32", folder=tmp_path, config=TrainConfig(epochs=2, lr=1e38))
    assert not list(tmp_path.iterdir())


def test_a_candidate_that_wants_all_the_memory_fails_alone(digits, little_memory):
    found = score(ScoreTask(3, _HUGE.to_json(), TrainConfig(epochs=1)), digits)
    assert found.accuracy is None and "memory" in found.failure and len(found.failure.splitlines()) == 1


def test_a_network_that_wants_all_the_memory_is_one_line(refused, tmp_path, little_memory):
    (tmp_path / "huge.json").write_text(_HUGE.to_json())
    command = ["compress", tmp_path / "huge.json", "--data", "digits", "--image-size", 96, "--recipe", "train+fp32"]
    assert "not enough memory" in refused(*command, "--epochs", 1, "--out", tmp_path / "out")


def test_more_weights_than_a_network_may_have_are_refused_before_any_is_made():
    wide = {"kind": "conv", "out_chans": 16000, "options": {"kernel": 1}}
    with pytest.raises(zoo.SpecError, match=r"blocks\[5\].*at most 1,073,741,824 in a network"):
        ArchSpec.from_json(json.dumps({"resolution": 8, "blocks": [wide] * 400}))


# a full disk


def test_a_full_disk_leaves_the_old_weights(disk, net):
    folder = disk(size_kb=1200)
    save_model(net, folder / "net.safetensors")
    with pytest.raises(EdgezooError, match=r"cannot write .*net.safetensors: No space left on device"):
        save_model(net, folder / "net.safetensors", {"note": "x" * 600_000})
    assert [path.name for path in folder.iterdir()] == ["net.safetensors"]
    load_model(folder / "net.safetensors")


def test_a_table_that_finds_no_room_is_not_there(disk, table):
    folder = disk(size_kb=64)
    with pytest.raises(EdgezooError, match="No space left on device"):
        table.save(folder / "table.json")
    assert not list(folder.iterdir())


def _trials(folder):
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    trials = open_study(folder).get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return {t.number: (t.user_attrs["digest"], t.user_attrs["accuracy"], t.datetime_complete) for t in trials}


def test_a_search_on_a_full_disk_stops_in_one_line_and_goes_on_later(disk, digits, table):
    folder = disk(size_kb=4096)
    known = {}

    def fill(done, *_):
        known.update(_trials(folder))
        if done == 2:
            with pytest.raises(OSError, match="No space"), (folder / "filler").open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))

    def search(on_trial=None):
        tiny = SPACES.get("tiny")
        return run_search(tiny, digits, table, 50.0, trials=3, storage=folder, epochs=1, on_trial=on_trial)

    with pytest.raises(SearchError, match=r"the storage of the search failed: .*(full|I/O)"):
        search(fill)
    (folder / "filler").unlink()
    assert len(search().candidates) == 3
    assert known and known.items() <= _trials(folder).items()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_recipe_goes_on_as_the_disk_grows(disk, tmp_path):
    folder, size, refusals = disk(size_kb=200), 200, 0
    command = [sys.executable, "-m", "edgezoo.cli", "compress", "mobilenetv1_025", *map(str, _SMALL), "--epochs", "2"]
    command += ["--recipe", "distil+prune+int8", "--out", str(folder)]
    while True:
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 0:
            break
        errors = [line for line in done.stderr.splitlines() if not line.endswith(" s")]
        assert done.returncode == 1 and len(errors) == 1 and errors[0].startswith("error: "), done.stderr
        size, refusals = size + 500, refusals + 1
        disk(size_kb=size)
    assert refusals >= 3
    verify = [sys.executable, "-m", "edgezoo.cli", "verify", str(folder)]
    verified = subprocess.run(verify, capture_output=True, text=True)
    assert re.search(r"bytes +holds", verified.stdout) and re.search(r"accuracy +holds", verified.stdout)


# a disk that may only be read


def test_a_read_only_folder_is_one_line_for_whatever_writes(read_only, refused, table, tmp_path):
    folder, saved = read_only(tmp_path), tmp_path / "table.json"
    table.save(saved)
    assert "Read-only file system" in refused("run", *_SMALL, "--budget-ms", 1, "--out", folder)
    assert "Read-only file system" in refused("run", *_SMALL, "--budget-ms", 1, "--out", folder / "new")
    compressed = ("compress", "mobilenetv1_025", *_SMALL, "--recipe", "train+fp32", "--epochs", 1)
    assert "Read-only file system" in refused(*compressed, "--out", folder)
    assert "Read-only file system" in refused("latency", "export", saved, "--out", folder / "table.csv")


def test_a_search_in_a_read_only_folder_can_be_read_and_says_why_it_cannot_go_on(read_only, digits, table, tmp_path):
    run_search(SPACES.get("tiny"), digits, table, 50.0, trials=1, storage=tmp_path, epochs=1)
    folder = read_only(tmp_path)
    assert len(_trials(folder)) == 1
    with pytest.raises(SearchError, match=r"readonly|read-only"):
        run_search(SPACES.get("tiny"), digits, table, 50.0, trials=2, storage=folder, epochs=1)


# the clock


def _calls(tree: ast.AST, *names: str):
    return [n for n in ast.walk(tree) if isinstance(n, ast.Call) and ast.unparse(n.func) in names]


def test_nothing_is_timed_by_a_clock_that_can_be_set():
    """The wall clock only stamps what was made; a lease is a sign of life, timed by who waits for it.

    The time of a file may say that it is another one than before, never which is newer.
    """
    allowed = {"search/ownership.py", "search/scores/supernet.py"}
    for package in _PACKAGES:
        for path in (_ROOT / package).rglob("*.py"):
            tree, name = ast.parse(path.read_text()), str(path.relative_to(_ROOT))
            trusting = _calls(tree, "time.time", "time", "time.time_ns") or re.search(r"st_[mac]time", path.read_text())
            assert not trusting or name in allowed, name
            assert all(ast.unparse(call) == "datetime.now(UTC)" for call in _calls(tree, "datetime.now"))


def test_a_lease_out_of_the_future_runs_out_all_the_same():
    study = optuna.create_study()
    trial = study.ask()
    trial.set_user_attr(OWNER, "elsewhere:1:1")
    ownership = Ownership(study, lease_seconds=0.3)
    for set_to in (time.time() + 10**9, 0.0):  # set on, then back: a sign of life both times
        trial.set_user_attr(LEASE, set_to)
        (running,) = study.get_trials()
        assert not ownership.is_lost(running)
        time.sleep(0.2)
        assert not ownership.is_lost(running)
    time.sleep(0.2)
    assert ownership.is_lost(running)


# two at once


_HOLD = "import sys; from pathlib import Path; from edgezoo.settings import locked\n" \
    "with locked(Path(sys.argv[1])): print(flush=True); sys.stdin.read()"  # fmt: skip


@pytest.fixture
def in_use(tmp_path):
    """A folder that another process works in."""
    folder = tmp_path / "in use"
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=_ROOT
    )
    process.stdout.readline()
    yield folder
    process.communicate()


def test_a_folder_that_another_process_works_in_is_one_line(in_use, refused):
    assert "is in use by another edgezoo" in refused("run", *_SMALL, "--budget-ms", 1, "--out", in_use)
    compressed = ("compress", "mobilenetv1_025", *_SMALL, "--recipe", "train+fp32", "--epochs", 1)
    assert "is in use by another edgezoo" in refused(*compressed, "--out", in_use)
    assert [path.name for path in in_use.iterdir()] == [".lock"]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_of_two_jobs_on_one_folder_one_goes_through_and_files_from_the_future_are_no_trouble(tmp_path):
    command = [
        sys.executable, "-m", "edgezoo.cli", "run", *map(str, _SMALL), "--budget-ms", "20", "--out", str(tmp_path),
        "--trials", "3", "--epochs", "1", "--final-epochs", "2", "--table-networks", "12", "--table-seconds", "0.1",
        "--workers", "1",
    ]  # fmt: skip
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate()[1].splitlines() for process in processes]
    codes = [process.returncode for process in processes]
    assert sorted(codes) == [0, 1]
    (line,) = said[codes.index(1)]
    assert line.startswith("error: ") and "in use by another edgezoo" in line
    known = _trials(tmp_path)
    for path in tmp_path.rglob("*"):
        os.utime(path, (2**33, 2**33))
    subprocess.run(command, check=True, timeout=300)
    assert _trials(tmp_path) == known
