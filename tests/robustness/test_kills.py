"""Long commands killed at random moments, by the functions of scripts/kill_runs.py."""

import json

import onnx
import optuna
import pytest
import torch
from safetensors.torch import save_file

import zoo
from latency_tables.table import SHIPPED
from search.storage import STUDY_NAME, open_storage


@pytest.fixture
def kill_runs(import_script):
    return import_script("kill_runs")


@pytest.fixture
def folder(tmp_path):
    """A file of every kind that a job leaves, whole."""
    (tmp_path / "spec.json").write_text(zoo.get_spec("mobilenetv1_025").to_json())
    (tmp_path / "table.json").write_bytes((SHIPPED / "openvino-fp32.json").read_bytes())
    (tmp_path / "seconds.json").write_text("3.0")
    (tmp_path / ".table.progress").write_text('{"device": 1}\n{"network": "a"}\n{"netw')
    save_file({"a": torch.zeros(3)}, tmp_path / "weights.safetensors")
    graph = onnx.helper.make_graph([], "empty", [], [])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "model.onnx")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(study_name=STUDY_NAME, storage=open_storage(tmp_path))
    for value, digest in ((1.0, "aa"), (0.5, "bb")):
        study.add_trial(optuna.trial.create_trial(value=value, user_attrs={"digest": digest}))
    return tmp_path


def test_whole_files_are_not_damaged(kill_runs, folder):
    assert kill_runs.damaged_files(folder) == []


@pytest.mark.parametrize(
    "name", ["spec.json", "table.json", "seconds.json", "weights.safetensors", "model.onnx", "study.db"]
)
def test_half_a_file_is_damaged_unless_its_name_says_that_it_is_not_finished(kill_runs, folder, name):
    path = folder / name
    half = path.read_bytes()[: path.stat().st_size // 2] if name != "seconds.json" else b"{"
    path.rename(folder / f".{name}.x1y2z3")
    path.with_name(f".{name}.x1y2z3").write_bytes(half)
    assert kill_runs.damaged_files(folder) == []
    path.write_bytes(half)
    (found,) = kill_runs.damaged_files(folder)
    assert found.startswith(f"{name}: ")


def test_a_line_that_is_none_is_damage_the_last_one_is_not(kill_runs, folder):
    (folder / ".table.progress").write_text('{"device": 1}\n{"netw\n{"network": "a"}\n')
    (found,) = kill_runs.damaged_files(folder)
    assert found.startswith(".table.progress: ")


def test_what_is_lost_and_what_is_done_twice_is_counted(kill_runs, folder):
    before = kill_runs.finished_trials(folder)
    assert sorted(before) == ["trial 0", "trial 1"] and kill_runs.compare(before, before) == (0, 0)
    assert kill_runs.compare(before, {"trial 0": before["trial 0"]}) == (1, 0)
    assert kill_runs.compare(before, before | {"trial 0": "later"}) == (0, 1)
    study = optuna.load_study(study_name=STUDY_NAME, storage=open_storage(folder))
    study.add_trial(optuna.trial.create_trial(value=0.5, user_attrs={"digest": "bb"}))
    assert kill_runs.compare(before, kill_runs.finished_trials(folder)) == (0, 1)


def test_samples_of_a_build_are_counted_by_network(kill_runs, tmp_path):
    lines = [{"device": 1}, {"network": "a", "samples": [[1], [2]]}, {"network": "b", "failure": "odd"}]
    lines.append({"network": "a", "samples": [[3]]})
    progress = tmp_path / "table.json.progress"
    progress.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"network": "b", "samp')
    assert kill_runs.finished_samples(tmp_path) == {"a 0": "[1]", "a 1": "[2]", "a 2": "[3]"}


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("number", range(3), ids=["run", "latency build", "compress"])
def test_a_job_killed_three_times_loses_nothing(kill_runs, tmp_path, number):
    job = kill_runs.JOBS[number]
    tally = kill_runs.kill(job, 3, tmp_path, longest=40.0)
    assert tally.kills == 3 and tally.finished and tally.jobs
    assert (tally.lost, tally.repeated, tally.damaged, tally.wrong) == (0, 0, [], [])
