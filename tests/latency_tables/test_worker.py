import io
import json
import os

import pytest

from latency_tables.worker import serve


@pytest.fixture
def tell(temp_folder, odd_runtime):
    """A function that gives a worker requests, each a dict or bytes that follow it, and returns its answers."""
    affinity, environment = os.sched_getaffinity(0), dict(os.environ)

    def tell(*requests, threads=1):
        start = {"do": "open", "runtime": "odd", "dtype": "fp32", "threads": threads}
        parts = [r if isinstance(r, bytes) else json.dumps(r).encode() + b"\n" for r in (start, *requests)]
        answers = io.BytesIO()
        serve(io.BytesIO(b"".join(parts)), answers)
        return [json.loads(line) for line in answers.getvalue().splitlines()]

    yield tell
    os.sched_setaffinity(0, affinity)
    os.environ.clear()
    os.environ |= environment
    assert not list(temp_folder.iterdir())


def _load(name="net", files=None, **deeds):
    model = json.dumps(deeds).encode()
    files = {"model.odd": model} if files is None else files
    request = {"do": "load", "name": name, "main": "model.odd", "input_shape": [1, 3, 8, 8]}
    return request | {"files": {n: len(content) for n, content in files.items()}}, b"".join(files.values())


def _visit(name="net", reference=None, samples=1):
    return {"do": "visit", "name": name, "reference": reference, "samples": samples}


def test_every_request_is_answered_in_order(tell):
    answers = tell(
        *_load("net"), *_load("pace"), _visit("net", "pace", 3), {"do": "unload", "name": "net"}, _visit("net")
    )
    opened, net, pace, visited, unloaded, gone = answers
    assert opened["ok"]["runtime_version"] == "1"
    assert net == pace == unloaded == {"ok": None}
    assert len(visited["ok"]) == 3
    assert all(ms > 0.4 and pace_ms > 0.4 for ms, _, pace_ms, _ in visited["ok"])
    assert "error" in gone


def test_one_thread_keeps_to_one_core_and_several_do_not(tell):
    before = os.sched_getaffinity(0)
    tell(threads=2)
    assert os.sched_getaffinity(0) == before and os.environ["OMP_NUM_THREADS"] == "2"
    tell(threads=1)
    assert len(os.sched_getaffinity(0)) == 1 and os.environ["OMP_NUM_THREADS"] == "1"


@pytest.mark.parametrize("deed", ["odd error", "exit", "error", "two lines"])
@pytest.mark.parametrize("where", ["load", "run"])
def test_what_a_runtime_raises_is_an_error_of_that_request_only(tell, deed, where):
    _, failed, fine, visited = tell(*_load("net", **{where: deed}), *_load("other"), _visit("other"))
    assert set(failed) == {"error", "kind"}
    assert fine == {"ok": None} and "ok" in visited


def test_an_error_in_a_visit_leaves_the_session(tell):
    _, _, failed, again = tell(*_load(run="error", after=10), _visit(samples=100), _visit())
    assert failed["error"] == again["error"] == "RuntimeError: of"


def test_an_answer_that_is_not_json_is_an_error_of_that_request_only(tell, odd_runtime, monkeypatch):
    monkeypatch.setattr(odd_runtime.OddRuntime, "settings", lambda dtype: {"odd": object()})
    failed, known = tell({"do": "runtimes"})
    assert "TypeError" in failed["error"] and "odd" in known["ok"]


def test_a_file_that_cannot_be_stored_leaves_the_conversation_in_step(tell):
    files = {"x" * 300: b"\n" * 3_000_000, "model.odd": b"{}"}
    _, failed, fine = tell(*_load("net", files), *_load("net"))
    assert failed["error"] == "the model file cannot be stored: File name too long"
    assert fine == {"ok": None}


def test_files_cut_short_are_an_error(tell):
    request, content = _load("net", {"model.odd": b"{}" * 100})
    assert "cut short" in tell(request, content[:-1])[1]["error"]


def test_an_unknown_request_is_named(tell):
    assert "'dance'" in tell({"do": "dance"})[1]["error"]


def test_the_files_of_a_model_stay_until_it_is_forgotten(tell, odd_runtime, monkeypatch, temp_folder):
    def files():
        return sorted(path.name for path in temp_folder.rglob("*") if path.is_file())

    seen = []
    monkeypatch.setattr(odd_runtime.OddRuntime, "version", lambda: seen.append(files()) or "1")
    look, unload = {"do": "runtimes"}, {"do": "unload", "name": "net"}
    tell(*_load("net", {"model.odd": b"{}", "weights": b"12"}), look, unload, look, *_load(load="error"), look)
    assert seen[-3:] == [["model.odd", "weights"], [], []]
