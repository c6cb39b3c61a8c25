"""Damaged files and odd text into everything that reads one: it is read or refused in one line, in bounded time."""

import contextlib
import copy
import gc
import json
import random
import re
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
import yaml
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

import zoo
from edgezoo.search_folder import SearchSettings, load_settings, result_of, status_of
from edgezoo.settings import RunSettings, claim_folder
from edgezoo.verification import Verified, known_figures
from latency_tables import Device, load_table
from latency_tables.progress_log import Plan, ProgressLog
from latency_tables.table import SHIPPED, _checksum
from latency_tables.transport import _ssh_command, parse_device
from model_compression import Recipe
from model_compression.export.verify import read_card
from search import SPACES, Space, Stage
from search.spaces import load_space
from search.storage import STUDY_NAME, open_storage
from search.supernet.files import load_supernet, save_supernet
from search.supernet.supernet import Supernet
from zoo import ArchSpec, BlockSpec, EdgezooError
from zoo.data import load_data
from zoo.weights import load_model, save_model

FEW, MANY = 100, 10_000
_LONGEST = 600
_MOST_BYTES = 2**30  # of memory beyond what the process has already
_MOST_SECONDS = 6.0  # of processor time; a common one is a thousandth of it
_SPEC = ArchSpec(
    resolution=24,
    blocks=(
        BlockSpec(kind="conv", out_chans=8, stride=2, options={"act": "hard_swish"}),
        BlockSpec(kind="ghost", out_chans=16, stride=2, options={"kernel": 5, "se_ratio": 0.25}),
        BlockSpec(kind="inverted_residual", out_chans=16, options={"expand": 2.0}),
    ),
)


@contextlib.contextmanager
def bounded():
    """Fail what takes more memory or processor time than a file of this kind can be worth."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else None
    if pages is not None:
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + _MOST_BYTES, limits[1]))
    began = time.process_time()
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
    assert time.process_time() - began < _MOST_SECONDS


def read_or_refuse(read: Callable[..., Any], *arguments: Any) -> None:
    with bounded():
        try:
            read(*arguments)
        except EdgezooError as error:
            text = str(error)
            assert text and len(text.splitlines()) == 1 and len(text) <= 1100, text[:2000]
            text.encode()


# what files hold, and what they might hold instead

_NASTY = st.sampled_from(
    [
        0, -1, 1, 2, 3, 7, 511, 10**9, -(10**9), 2**31, 2**63, 10**400, 0.0, -0.0, 1e-320, 0.5, 1e308, -1e308,
        float("nan"), float("inf"), float("-inf"), True, False, None, "", "0", "conv", "ghost", "a\nb", "\x00", "é",
        "x" * 5000, "\ud800", "*", "../..", [], {}, [[]], [0], [None] * 50, {"": {}}, {"kind": "conv"},
        ["conv"] * 200, [[1, 2], [3, 4]], {"a\nb": 1},
    ]
)  # fmt: skip
_DEEP = st.integers(1, 3000).map("@deep {}@".format)  # written as nested brackets, which json.dumps cannot


def _places(tree: Any, path: tuple = ()) -> list[tuple]:
    """Return the way to every value in `tree` but itself."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [place for key, value in items for place in ((*path, key), *_places(value, (*path, key)))]


@st.composite
def changed(draw: st.DrawFn, tree: Any) -> Any:
    """Values replaced, dropped, repeated, moved or added in some places."""
    tree = copy.deepcopy(tree)
    for _ in range(draw(st.integers(1, 3))):
        places = _places(tree)
        if not places:
            break
        *way, last = draw(st.sampled_from(places))
        parent = tree
        for key in way:
            parent = parent[key]
        deed = draw(st.sampled_from(("replace", "replace", "replace", "drop", "repeat", "move", "add", "scale")))
        if deed == "replace":
            parent[last] = copy.deepcopy(draw(_NASTY | _DEEP))
        elif deed == "drop":
            del parent[last]
        elif deed == "repeat" and isinstance(parent[last], list):
            parent[last] = (parent[last] * draw(st.sampled_from((2, 20, 300))))[:_LONGEST]
        elif deed == "move":
            other = draw(st.sampled_from(places))
            value = tree
            with contextlib.suppress(KeyError, IndexError, TypeError):
                for key in other:
                    value = value[key]
                parent[last] = copy.deepcopy(value)
        elif deed == "add" and isinstance(parent, dict):
            parent[draw(st.sampled_from(("x", "a\nb", "é" * 200, "kind", "__class__")))] = copy.deepcopy(draw(_NASTY))
        elif deed == "scale" and type(parent[last]) in (int, float):
            parent[last] = parent[last] * draw(st.sampled_from((-1, 0, 1000, 10**9)))
    return tree


def _dump(tree: Any) -> bytes:
    def brackets(match: re.Match) -> str:
        depth = int(match[1])
        return "[" * depth + "]" * depth

    return re.sub(r'"@deep (\d+)@"', brackets, json.dumps(tree)).encode()


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Bytes flipped, cut off, cut out, repeated, put in or written anew."""
    at = draw(st.integers(0, len(content)))
    end = min(len(content), at + draw(st.sampled_from((1, 2, 8, 64, 4096))))
    deed = draw(st.sampled_from(("flip", "cut", "take out", "repeat", "put in", "digits", "write over")))
    if deed == "flip":
        flipped = bytes(byte ^ (1 << draw(st.integers(0, 7))) for byte in content[at : min(end, at + 8)])
        return content[:at] + flipped + content[at + len(flipped) :]
    if deed == "cut":
        return content[:at]
    if deed == "take out":
        return content[:at] + content[end:]
    if deed == "repeat":
        return content[:end] + content[at:end] * draw(st.sampled_from((1, 2, 500))) + content[end:]
    if deed == "put in":
        return content[:at] + draw(st.binary(min_size=1, max_size=16)) + content[at:]
    if deed == "digits":
        return content[:at] + b"9" * draw(st.sampled_from((1, 20, 5000, 10**6))) + content[at:]
    return draw(st.binary(max_size=64)) + content[end:]


def _json_mutations(content: bytes) -> st.SearchStrategy[bytes]:
    return damaged(content) | changed(json.loads(content)).map(_dump)


# the readers: each takes the bytes of a file, and does with what it read what edgezoo does


@dataclass(frozen=True)
class Reader:
    """How a kind of file is read and used, what it looks like whole, and what once broke it.

    Attributes:
        once_broke: the smallest files that did, made of the whole one.
        few: files that the fast test tries.
    """

    read: Callable[[bytes, Path], Any]
    valid: Callable[[], bytes]
    mutations: Callable[[bytes], st.SearchStrategy[bytes]] = _json_mutations
    once_broke: Callable[[bytes], Sequence[bytes]] = lambda whole: ()
    few: int = FEW


def _written(name: str, content: bytes, folder: Path) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


def _read_spec(content: bytes, folder: Path) -> None:
    spec = ArchSpec.from_json(content)
    assert ArchSpec.from_json(spec.to_json()) == spec
    with torch.device("meta"):
        spec.build(10, 3)


def _small_table() -> dict[str, Any]:
    """Return what a table that ships holds, with a dozen of its networks."""
    table = json.loads((SHIPPED / "openvino-fp32.json").read_bytes())["table"]
    small = [o for o in table["observations"] if o["drawn"] and len(o["spec"]["blocks"]) <= 12]
    return table | {"observations": small[:12]}


def _read_table(content: bytes, folder: Path) -> None:
    # a checksum guards against accidents, not against people
    with contextlib.suppress(ValueError, RecursionError, KeyError, TypeError):
        tree = json.loads(content)
        content = json.dumps({"checksum": _checksum(tree["table"]), "table": tree["table"]}).encode()
    table = load_table(_written("table.json", content, folder))
    table.predict(_SPEC.at_resolution(table.resolutions[0]))
    table.kernels()


def _read_recipe(suffix: str) -> Callable[[bytes, Path], None]:
    def read(content: bytes, folder: Path) -> None:
        recipe = Recipe.load(_written(f"recipe{suffix}", content, folder))
        assert Recipe.of(json.loads(recipe.to_json())["steps"], name=recipe.name) == recipe

    return read


_STEPS = [
    {"step": "distil", "epochs": 60},
    {"step": "prune", "keep": 0.6, "max_drop": 0.01, "method": "netadapt"},
    {"step": "factorize", "keep": 0.8, "kinds": ["svd", "tucker"]},
    {"step": "quantize", "method": "adaround", "weight_bits": 4},
]


def _read_space(content: bytes, folder: Path) -> None:
    space = load_space(_written("space.json", content, folder))
    space.sample(random.Random(0))
    assert space.size >= 1 and space.kinds


def _settings() -> RunSettings:
    return RunSettings(data="digits", runtime="onnxruntime", dtype="int8", budget_ms=0.3, recipe="balanced")


def _read_run_settings(content: bytes, folder: Path) -> None:
    _written("settings.json", content, folder)
    claim_folder(folder, _settings())


def _read_card(content: bytes, folder: Path) -> None:
    card = read_card(_written("model.json", content, folder).with_suffix(".onnx"))
    card.model_dump_json()


def _card() -> bytes:
    device = _small_table()["device"]
    interval = {"value": 0.01, "low": 0.0, "high": 0.02}
    verdict = {"accuracy_before": 0.9, "accuracy_after": 0.89, "drop": interval, "ms_before": interval}
    card = {
        "spec": json.loads(_SPEC.to_json()), "data": "digits", "image_size": 24, "classes": ["0", "1"],
        "input": {"channels": 1, "resolution": 24, "mean": [0.3], "std": [0.4]}, "recipe": "balanced",
        "changes": [{"kind": "pruned", "removed": {"a": [1]}}, {"kind": "factorized", "layers": {"b": ["svd", [3]]}}],
        "steps": [{"step": "prune", "attempts": [{"settings": {"keep": 0.5}, "verdict": verdict}]}],
        "teacher": None, "validation": {"fp32": 0.9, "int8": 0.9}, "test": {"int8": 0.9}, "params": 10, "macs": 10,
        "predicted_ms": 0.1, "measured_ms": 0.1, "measured_p10_ms": 0.1, "measured_p90_ms": 0.1, "samples_rejected": 0,
        "reference_ms": 0.2, "device": device, "versions": {"torch": "2"}, "seeds": {"training": 0},
        "created": "2026-01-01T00:00:00+00:00", "sha256": "0" * 64,
    }  # fmt: skip
    return json.dumps(card).encode()


def _read_verified(content: bytes, folder: Path) -> None:
    known_figures(_written("verified.json", content, folder))


def _plan() -> Plan:
    device = Device(**_small_table()["device"])
    return Plan(
        device=device, space="tiny", seed=0, batch=1, in_chans=3, num_classes=10, rounds=2, networks=("aa", "bb")
    )


def _read_progress(content: bytes, folder: Path) -> None:
    path = _written("progress", content, folder)
    log = ProgressLog(path, _plan())
    log.add_failure("bb", "none")
    again = ProgressLog(path, _plan())
    assert (again.samples, again.finished, again.profiles) == (log.samples, log.finished, log.profiles)


def _progress() -> bytes:
    profile = {"ms": 0.1, "kernels": {"conv": 0.05}, "rest": 0.01, "nodes": 4, "executed": {"conv": "nchwc"}}
    lines = [
        json.loads(_plan().model_dump_json()),
        {"network": "aa", "profile": profile},
        {"network": "aa", "samples": [[0.1, 0.2, False], [0.1, 0.2, True]], "finished": True},
        {"network": "bb", "failure": "odd"},
    ]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def _line_mutations(content: bytes) -> st.SearchStrategy[bytes]:
    tree = [json.loads(line) for line in content.splitlines()]
    return damaged(content) | changed(tree).map(lambda lines: b"\n".join(map(_dump, lines)) + b"\n")


def _search_settings() -> SearchSettings:
    return SearchSettings(
        space=SPACES.get("tiny").model_dump(mode="json"), data="digits", budgets_ms={"": 0.3}, limits={"size_mb": 2.0}
    )


def _read_search_settings(content: bytes, folder: Path) -> None:
    _written("search.json", content, folder)
    load_settings(folder).read_space()


_ATTRIBUTES = {
    "spec": _SPEC.to_json(), "digest": _SPEC.digest, "accuracy": 0.9, "predicted_ms": 0.1, "params": 10, "macs": 100,
    "costs": {"latency_ms": 0.1}, "curve": [0.5, 0.9], "seconds": 2.0, "stopped": False,
}  # fmt: skip


def _read_study(content: bytes, folder: Path) -> None:
    """Attributes of the study and of a trial, as JSON; the database itself is SQLite's."""
    try:
        tree = json.loads(content)
        study_attributes, attributes = dict(tree["study"]), dict(tree["trial"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return
    _written("search.json", _search_settings().model_dump_json().encode(), folder)
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(study_name=STUDY_NAME, storage=storage, directions=["maximize", "minimize"])
    try:
        for name, value in study_attributes.items():
            study.set_user_attr(name, value)
        study.add_trial(optuna.trial.create_trial(values=[0.9, 0.1], user_attrs=attributes))
    except RecursionError:
        return  # no such study can be made
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("search.storage.open_storage", lambda _: storage)
        (folder / "study.db").touch()
        status_of(folder)
        result_of(folder)
    (folder / "study.db").unlink()


def _study() -> bytes:
    return json.dumps({"study": {"settings": {"budgets_ms": {"": 0.3}}}, "trial": _ATTRIBUTES}).encode()


def _read_database(content: bytes, folder: Path) -> None:
    _written("search.json", _search_settings().model_dump_json().encode(), folder)
    _written("study.db", content, folder)
    status_of(folder)
    result_of(folder)


def _database() -> bytes:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        study = optuna.create_study(
            study_name=STUDY_NAME, storage=open_storage(folder), directions=["maximize", "minimize"]
        )
        study.set_user_attr("settings", {"budgets_ms": {"": 0.3}})
        study.add_trial(optuna.trial.create_trial(values=[0.9, 0.1], user_attrs=_ATTRIBUTES))
        return Path(folder, "study.db").read_bytes()


def _read_weights(content: bytes, folder: Path) -> None:
    network = load_model(_written("weights.safetensors", content, folder))
    network(torch.zeros(1, network.in_chans, 24, 24))


def _weights() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "weights.safetensors")
        save_model(_SPEC.build(4, 1, seed=0), path)
        return path.read_bytes()


def _header(content: bytes) -> dict[str, Any]:
    return json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])


def _with_header(content: bytes, header: Any) -> bytes:
    new, size = _dump(header), int.from_bytes(content[:8], "little")
    return len(new).to_bytes(8, "little") + new + content[8 + size :]


def _safetensors_mutations(content: bytes) -> st.SearchStrategy[bytes]:
    """Bytes of the file, and its header and metadata changed with the length written anew."""
    header = _header(content)
    described = "spec" if "spec" in header["__metadata__"] else "space"

    def put(tree: Any) -> bytes:
        return _with_header(content, tree)

    def with_metadata(name: str, text: str) -> bytes:
        return put({**header, "__metadata__": {**header["__metadata__"], name: text}})

    texts = changed(json.loads(header["__metadata__"][described])).map(lambda tree: _dump(tree).decode())
    numbers = st.tuples(st.sampled_from(("num_classes", "in_chans", "seed")), _NASTY.map(str))
    changes = texts.map(lambda text: (described, text)) | numbers
    return damaged(content) | changed(header).map(put) | changes.map(lambda change: with_metadata(*change))


def _read_supernet(content: bytes, folder: Path) -> None:
    load_supernet(_written("supernet.safetensors", content, folder))


def _supernet() -> bytes:
    stage = Stage(kinds=("conv",), depths=(1,), widths=(8, 16))
    space = Space(name="s", resolutions=(16,), stem_widths=(8,), stages=(stage,), head_widths=(8,))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "supernet.safetensors")
        save_supernet(Supernet(space, 4, 1), path)
        return path.read_bytes()


_BOMB = "a0: &a0 {k0: 1, k1: 1}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 12)
)
_LISTS = "- &a0 [x, x]\n" + "".join(f"- &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))
READERS = {
    "spec": Reader(_read_spec, lambda: _SPEC.to_json().encode()),
    "table": Reader(
        _read_table, lambda: json.dumps({"checksum": "", "table": _small_table()}).encode(), few=40,
        once_broke=lambda whole: (
            whole.replace(b'"kernels": {', b'"kernels": {"odd": 1.0, ', 1),  # KeyError when they are listed
            re.sub(rb'"cost": [^,]+', b'"cost": NaN', whole, count=1),
        ),
    ),
    "recipe.json": Reader(_read_recipe(".json"), lambda: json.dumps({"steps": _STEPS}).encode(),
        once_broke=lambda whole: (whole.replace(b"netadapt", b"x" * 5000), whole.replace(b"distil", b"x" * 5000)),
    ),
    "recipe.yaml": Reader(_read_recipe(".yaml"), lambda: yaml.safe_dump(_STEPS).encode(), damaged),
    "staged space": Reader(_read_space, lambda: SPACES.get("tiny").model_dump_json(exclude_defaults=True).encode()),
    "cells": Reader(
        _read_space, lambda: b'{"type": "cells", "name": "c", "resolutions": [16], "widths": [8], "cells": [1, 2]}'
    ),
    "published space": Reader(
        _read_space,
        lambda: b'{"type": "published", "name": "p", "resolutions": [64], "networks": ["ghostnet_0*"], "widths": [1]}',
    ),
    "settings of a run": Reader(_read_run_settings, lambda: _settings().model_dump_json().encode()),
    "model card": Reader(_read_card, _card),
    "verified candidates": Reader(
        _read_verified,
        lambda: json.dumps([Verified(trial=1, predicted_ms=0.1, measured_ms=0.2).model_dump()] * 3).encode(),
        once_broke=lambda whole: (b"", b"[{}]"),
    ),
    "progress log": Reader(
        _read_progress, _progress, _line_mutations,
        once_broke=lambda whole: tuple(
            whole.splitlines(keepends=True)[0] + line
            for line in (
                b'{"network": "aa", "samples": []}\n',
                b'{"network": "aa", "samples": [[NaN, 1, 0]], "finished": true}\n',
                b"[" * 3000 + b"]" * 3000, b"\xff\n",
            )
        ),
    ),
    "settings of a search": Reader(_read_search_settings, lambda: _search_settings().model_dump_json().encode()),
    "attributes of a study": Reader(
        _read_study, _study,
        once_broke=lambda whole: (
            b'{"study": {}, "trial": {"spec": ""}}', whole.replace(b'"accuracy": 0.9', b'"accuracy": "x"'),
            whole.replace(b'"seconds": 2.0', b'"seconds": []'), whole.replace(b'"digest"', b'"owner": [], "digest"'),
        ),
    ),
    "database of a study": Reader(_read_database, _database, damaged),
    "weights": Reader(_read_weights, _weights, _safetensors_mutations),
    "supernet": Reader(
        _read_supernet, _supernet, _safetensors_mutations,
        once_broke=lambda whole: tuple(
            _with_header(whole, {**_header(whole), "__metadata__": _header(whole)["__metadata__"] | {name: value}})
            for name, value in (("num_classes", "-1"), ("num_classes", "1000000000"), ("in_chans", str(2**63)))
        ),
    ),
}  # fmt: skip


def fuzz(reader: Reader, count: int, folder: Path) -> None:
    content = reader.valid()

    def check(mutated: bytes) -> None:
        read_or_refuse(reader.read, mutated, folder)

    for broke in reader.once_broke(content):
        check = example(broke)(check)
    health = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
    limits = settings(
        max_examples=count, deadline=None, database=None, derandomize=True, suppress_health_check=health,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
    )  # fmt: skip
    limits(given(reader.mutations(content))(check))()
    gc.collect()


@pytest.mark.parametrize("name", READERS)
def test_whole_files_are_read(name, tmp_path):
    reader = READERS[name]
    reader.read(reader.valid(), tmp_path)


@pytest.mark.parametrize("name", READERS)
def test_damaged_files_are_read_or_refused_in_one_line(name, tmp_path):
    fuzz(READERS[name], READERS[name].few, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", READERS)
def test_ten_thousand_damaged_files_are_read_or_refused_in_one_line(name, tmp_path):
    fuzz(READERS[name], MANY, tmp_path)


# text that names data or a device

_TEXT = st.text(max_size=40) | st.sampled_from(
    ["~nobody-of-this-name/x", "~", "\x00", "a" * 5000, "../" * 50, "/dev/null", "/proc/self/mem", "", "@", ":", "\n"]
)


@st.composite
def data_names(draw: st.DrawFn) -> str:
    source = draw(st.sampled_from(("folder", "torchvision", "digits", "")) | st.text(max_size=8))
    known = ("CIFAR10", "MNIST", "ImageNet", "FakeData", "VisionDataset", "PCAM", "STL10", "SVHN", "ImageFolder")
    name = draw(st.sampled_from(known) | _TEXT)
    return f"{source}:{name}@{draw(_TEXT)}" if source == "torchvision" else f"{source}:{draw(_TEXT)}"


@st.composite
def devices(draw: st.DrawFn) -> str:
    hostile = st.sampled_from(["-oProxyCommand=touch x", "$(id)", "a;b", "a b", "`id`", "\n", "@", "[::1]", "%00", "é"])
    user, host = draw(hostile | st.text(max_size=8)), draw(hostile | st.text(max_size=20))
    port = draw(st.sampled_from(["22", "0", "99999", "9" * 50, "-1", "", "²"]))
    python = draw(st.sampled_from(["", "/usr/bin/python3", "/a b", "/$(id)", "/'\"", "/\n"]))
    return draw(st.sampled_from([f"ssh://{user}@{host}:{port}{python}", f"ssh://{host}{python}", f"{user}", host]))


def _parse_device(text: str) -> None:
    target = parse_device(text)
    if target:
        command = _ssh_command(target, ())
        assert command[-2] == target.host and command[-3] == "--" and not target.host.startswith("-")
        assert target.python not in command[-1] or target.python == "python3"


def _fuzz_text(strategy: st.SearchStrategy[str], check: Callable[[str], None], count: int) -> None:
    limits = settings(max_examples=count, deadline=None, database=None, derandomize=True)
    limits(given(strategy)(lambda text: read_or_refuse(check, text)))()


_TEXTS = {"data": (data_names(), load_data), "device": (devices(), _parse_device)}


@pytest.mark.parametrize("what", _TEXTS)
def test_odd_names_are_refused_in_one_line(what):
    _fuzz_text(*_TEXTS[what], FEW)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("what", _TEXTS)
def test_ten_thousand_odd_names_are_refused_in_one_line(what):
    _fuzz_text(*_TEXTS[what], MANY)


@pytest.mark.parametrize(
    "text",
    [
        _BOMB,
        _LISTS,
        "- {step: distil, epochs: &x [1, *x]}",
    ],
    ids=["merged maps", "lists of lists", "a list in itself"],
)  # fmt: skip
def test_yaml_that_grows_when_read_is_refused(text, tmp_path):
    with pytest.raises(EdgezooError, match="alias"):
        read_recipe = _read_recipe(".yaml")
        with bounded():
            read_recipe(text.encode(), tmp_path)


def test_a_billion_of_anything_is_refused_by_its_number():
    for field, value in (("blocks", [{"kind": "conv", "out_chans": 10**9}]), ("resolution", 10**9)):
        tree = json.loads(_SPEC.to_json()) | {field: value}
        with bounded(), pytest.raises(zoo.SpecError):
            ArchSpec.from_json(json.dumps(tree))
    many = json.dumps(json.loads(_SPEC.to_json())["blocks"][0])
    with bounded(), pytest.raises(zoo.SpecError, match="characters"):
        ArchSpec.from_json('{"resolution": 24, "blocks": [' + ",".join([many] * 200_000) + "]}")
