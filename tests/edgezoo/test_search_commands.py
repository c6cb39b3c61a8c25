import json

import pandas as pd
import pytest


@pytest.fixture(scope="module")
def declared(small_space, small_table, tmp_path_factory):
    """A folder with the declaration of a space, and a table of it."""
    folder = tmp_path_factory.mktemp("declared")
    (folder / "space.json").write_text(small_space.model_dump_json())
    small_table.save(folder / "table.json")
    return folder


@pytest.fixture
def start(declared, tmp_path):
    """Arguments that start a search of seconds into tmp_path / "run"; later ones go before."""

    def arguments(**changes):
        options = {
            "data": "digits", "image-size": 16, "budget-ms": 1000, "space": declared / "space.json",
            "table": declared / "table.json", "trials": 3, "epochs": 1, "workers": 1, "out": tmp_path / "run",
        } | {name.replace("_", "-"): value for name, value in changes.items()}  # fmt: skip
        return ["search", "start", *(part for name, value in options.items() for part in (f"--{name}", value))]

    return arguments


def test_a_search_is_started_watched_reported_exported_and_grown(edgezoo, refused, start, tmp_path):
    run = tmp_path / "run"
    assert "search start" in refused("search", "status", run)
    found = json.loads(edgezoo(*start(), "--json").stdout)
    assert found["scored"] == 3 and found["failed"] == {}
    assert all(one["costs"]["latency_ms"] <= 1000 for one in found["front"])
    status = json.loads(edgezoo("search", "status", run, "--json").stdout)
    assert (status["scored"], status["trials"], status["in_flight"]) == (3, 3, 0)
    assert "3 of 3 scored" in edgezoo("search", "status", run).stdout
    assert edgezoo("search", "report", run, "--baseline", "mobilenetv1_025").stdout.strip() == f"{run}/report.html"
    assert "mobilenetv1_025" in (run / "report.html").read_text()
    for name in ("all.csv", "all.json", "all.parquet"):
        assert edgezoo("search", "export", run, "--out", tmp_path / name).returncode == 0
    assert len(pd.read_csv(tmp_path / "all.csv")) == len(pd.read_parquet(tmp_path / "all.parquet")) == 3
    assert "'xls'" in refused("search", "export", run, "--out", tmp_path / "all.xls")
    assert "3 scored" in edgezoo("search", "resume", run, "--workers", "1").stdout
    grown = json.loads(edgezoo(*start(trials=4), "--json").stdout)
    assert grown["scored"] == 4
    assert "another seed" in refused(*start(trials=4, seed=1))


def test_two_devices_are_named(edgezoo, refused, start, declared):
    table = declared / "table.json"
    two = ["--table", f"b={table}", "--budget-ms", "b=2000"]
    found = json.loads(edgezoo(*start(table=f"a={table}", budget_ms="a=1000", trials=2), *two, "--json").stdout)
    assert all({"a_ms", "b_ms"} <= set(one["costs"]) for one in found["front"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"budget_ms": 1e-6}, "no network of space 'small' was found within the budget"),
        ({"budget_ms": "fast"}, "--budget-ms: 'fast' is no number"),
        ({"budget_ms": "phone=3"}, "name different devices"),
        ({"space": "tinny"}, "did you mean 'tiny'"),
        ({"table": "onnxruntime-int9"}, "onnxruntime-int9"),
        ({"sampler": "forest"}, "unknown sampler 'forest'"),
        ({"pruner": "ahsa"}, "did you mean 'asha'"),
        ({"score": "trainin"}, "did you mean 'training'"),
        ({"training_free": "nwott"}, "did you mean 'nwot'"),
        ({"limit": "param_m=3"}, "did you mean 'params_m'"),
        ({"objective": "latency"}, "did you mean 'latency_ms'"),
        ({"start_from": "mobilenetv1_025"}, "not in space 'small'"),
        ({"storage": "nosuchdb://host/db"}, "cannot open the storage"),
    ],
)
def test_what_cannot_be_started_is_one_line(refused, start, changes, message):
    assert message in refused(*start(**changes))


def test_a_damaged_folder_is_one_line(refused, tmp_path):
    (tmp_path / "search.json").write_text("{")
    assert "cannot be read as the settings of a search" in refused("search", "status", tmp_path)
    assert "is missing" in refused("search", "resume", tmp_path / "nowhere")
