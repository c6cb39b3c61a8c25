import json
import os
import signal
import subprocess
import sys
import time

import optuna
import pytest
from optuna.trial import TrialState

from edgezoo.run import run, summary
from edgezoo.settings import RunError, RunSettings
from search import BudgetError
from search.storage import open_study

_SMALL = {
    "data": "digits",
    "runtime": "onnxruntime",
    "dtype": "int8",
    "budget_ms": 20.0,
    "image_size": 24,
    "trials": 4,
    "epochs": 1,
    "final_epochs": 5,
    "table_networks": 12,
    "table_seconds": 0.1,
    "teacher": "mobilenetv1_025",
    "baselines": ("mobilenetv1_025",),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder, run(RunSettings(**_SMALL), folder)


def test_the_run_folder_holds_the_evidence(finished):
    folder, result = finished
    names = {path.name for path in folder.iterdir()}
    assert names >= {
        "model.onnx", "model.json", "spec.json", "table.json", "table-fp32.json", "study.db", "report.html",
        "settings.json",
    }  # fmt: skip
    card = json.loads((folder / "model.json").read_text())
    assert card["measured_ms"] <= _SMALL["budget_ms"]
    assert card["test"]["int8"] == result.artifact.accuracy > 0.2
    assert json.loads((folder / "spec.json").read_text())["blocks"]


def test_baselines_stay_away_from_the_test_images(finished):
    for baseline in finished[1].baselines:
        assert baseline.card.test.int8 is None and baseline.card.validation.int8 is not None


def test_the_summary_has_six_lines(finished):
    lines = summary(finished[1])
    assert len(lines) == 6
    assert [line.split()[0] for line in lines] == ["data", "table", "search", "winner", "accuracy", "latency"]


def test_the_report_asks_nothing_from_outside_and_shows_what_every_block_costs(finished, read_page):
    page = read_page(finished[0] / "report.html")
    assert page.requests == ["data:,"]
    assert page.ids == ["pareto", "architecture", "predictions"]
    assert "winner" in page.text and "mobilenetv1_025" in page.text
    assert f"add up to {finished[1].artifact.card.predicted_ms:.3f} ms" in page.text


def test_a_finished_run_repeats_nothing(finished):
    folder, result = finished
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.suffix in (".onnx", ".safetensors", ".db")}
    again = run(RunSettings(**_SMALL), folder)
    after = {p: p.stat().st_mtime_ns for p in before}
    assert {p.name for p in before if before[p] != after[p]} <= {"study.db", "model.onnx", "weights.safetensors"}
    assert again.artifact.card == result.artifact.card
    assert [c.trial for c in again.search.candidates] == [c.trial for c in result.search.candidates]


def test_another_budget_needs_another_folder(finished):
    with pytest.raises(RunError, match=r"budget_ms 20.0 \(now 10.0\)"):
        run(RunSettings(**_SMALL | {"budget_ms": 10.0}), finished[0])


def test_a_budget_nothing_can_meet_names_the_fastest(finished, tmp_path):
    folder = finished[0]
    for name in ("table.json", "table-fp32.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(BudgetError, match=r"the cheapest has latency_ms \d"):
        run(RunSettings(**_SMALL | {"budget_ms": 0.001}), tmp_path)


def _completed(folder):
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    trials = open_study(folder).get_trials()
    return {t.number: t.user_attrs["digest"] for t in trials if t.state == TrialState.COMPLETE}


@pytest.mark.slow
def test_killed_at_three_moments_the_job_still_ends_with_the_same_trials(tmp_path):
    command = [
        sys.executable, "-m", "edgezoo.cli", "run", "--data", "digits", "--budget-ms", "20", "--out", str(tmp_path),
        "--image-size", "24", "--trials", "8", "--epochs", "1", "--final-epochs", "2", "--table-networks", "12",
        "--teacher", "mobilenetv1_025", "--workers", "2",
    ]  # fmt: skip
    seen: dict[int, str] = {}
    for seconds in (15, 25, 35):
        process = subprocess.Popen(command, start_new_session=True)
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if (tmp_path / "study.db").exists():
            done = _completed(tmp_path)
            assert seen.items() <= done.items()
            seen = done
    subprocess.run(command, check=True)
    done = _completed(tmp_path)
    assert seen.items() <= done.items()
    assert len(set(done.values())) == len(done)
    assert (tmp_path / "model.onnx").exists()
