"""Nothing that is read can run: no call in the source unpickles, evaluates or starts a shell, and no file gets its way.

Ray and multiprocessing pickle between edgezoo's own processes; nothing of that is read from a file.
"""

import ast
import io
import json
import pickle
import re
import struct
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import optuna
import pytest
import torch

import zoo
from latency_tables.runtimes import model_suffixes
from model_compression.weights import load_weights
from search.spaces import load_space
from search.storage import STUDY_NAME, open_storage
from search.supernet.files import load_supernet
from zoo import EdgezooError

_ROOT = Path(zoo.__file__).parents[1]
_PACKAGES = ("zoo", "latency_tables", "search", "model_compression", "edgezoo", "scripts")

# what must not be called, and with which arguments it may
_FORBIDDEN = {
    "pickle": None, "cPickle": None, "_pickle": None, "dill": None, "cloudpickle": None, "joblib": None,
    "marshal": None, "shelve": None, "eval": None, "exec": None, "compile": None, "__import__": None,
    "os.system": None, "os.popen": None, "torch.jit.load": None, "torch.hub": None, "yaml.load": None,
    "yaml.unsafe_load": None, "yaml.full_load": None, "pandas.read_pickle": None, "pd.read_pickle": None,
    "torch.load": ("weights_only", True), "np.load": ("allow_pickle", False), "numpy.load": ("allow_pickle", False),
    "torch.export.load": None, "runpy": None, "code": None, "subprocess.getoutput": None,
}  # fmt: skip
_SAFE_BY_DEFAULT = ("np.load", "numpy.load")
_METHODS = ("extractall", "extract", "read_pickle", "unsafe_load")
_ALLOWED = {
    ("latency_tables/torch_programs.py", "torch.export.load"): "of files that edgezoo wrote a moment ago itself",
    ("latency_tables/runtimes/ncnn.py", "extractor.extract"): "takes an output out of a network",
    ("latency_tables/transport.py", "code in a text"): "the measuring process runs what its parent sends it",
}


def _bad_calls(path: Path) -> Iterator[tuple[int, str]]:
    tree = ast.parse(path.read_text())
    aliases = {
        alias.asname: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.asname and alias.asname not in ("np", "pd")
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from ((node.lineno, name) for name in modules if name in _FORBIDDEN and _FORBIDDEN[name] is None)
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{a.name}" for a in node.names]
                yield from ((node.lineno, name) for name in names if name in _FORBIDDEN)
        if isinstance(node, ast.Constant) and re.search(r"\b(eval|exec)\(", str(node.value)):
            yield node.lineno, "code in a text"
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        first, _, rest = name.partition(".")
        name = f"{aliases.get(first, first)}{'.' if rest else ''}{rest}"
        keywords = {k.arg: k.value.value for k in node.keywords if isinstance(k.value, ast.Constant)}
        if keywords.get("shell"):
            yield node.lineno, f"{name}(shell=True)"
        if name.rpartition(".")[2] in _METHODS and "filter" not in keywords:
            yield node.lineno, name
        if name in _FORBIDDEN:
            allowed = _FORBIDDEN[name]
            given = keywords.get(allowed[0], allowed[1] if name in _SAFE_BY_DEFAULT else None) if allowed else None
            if not allowed or given is not allowed[1]:
                yield node.lineno, name


def test_the_source_calls_nothing_that_runs_what_it_reads():
    found = [
        (str(path.relative_to(_ROOT)), line, name)
        for package in _PACKAGES
        for path in sorted((_ROOT / package).rglob("*.py"))
        for line, name in _bad_calls(path)
    ]
    assert not [bad for bad in found if (bad[0], bad[2]) not in _ALLOWED]
    assert {(path, name) for path, _, name in found} >= set(_ALLOWED), "an exception that is none any more"


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "from pickle import loads", "import torch\ntorch.load(p)", "import torch as t\nt.load(p)",
        "torch.load(p, weights_only=False)", "np.load(p, allow_pickle=True)", "yaml.load(t)", "eval(t)", "exec(t)",
        "subprocess.run(c, shell=True)", "os.system(c)", "archive.extractall(p)", "from yaml import unsafe_load",
        "from torch import load", "torch.jit.load(p)", "t = 'eval(x)'",
        "import numpy\nnumpy.load(p, allow_pickle=True)",
    ],
)  # fmt: skip
def test_such_a_call_would_be_found(source, tmp_path):
    (tmp_path / "bad.py").write_text(source)
    assert list(_bad_calls(tmp_path / "bad.py"))


# files that would leave a mark, were they believed


class _Touch:
    """An object that makes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self._marker = str(marker)

    def __reduce__(self):
        return Path.touch, (Path(self._marker),)


@pytest.fixture
def marker(tmp_path):
    """A file that must never come to be; that it would is seen first."""
    path = tmp_path / "marker"
    pickle.loads(pickle.dumps(_Touch(path)))
    path.unlink()  # it would have been made
    yield path
    assert not path.exists(), "a file was believed"


def _torch_zip(evil: _Touch) -> bytes:
    buffer = io.BytesIO()
    torch.save({"weight": torch.zeros(2), "evil": evil}, buffer)
    return buffer.getvalue()


def _numpy(evil: _Touch) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([evil], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def _exported_program(evil: _Touch) -> bytes:
    """Return what `torch.export.save` writes, every part of which is a pickle."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in ("archive_format", "byteorder", "version"):
            archive.writestr(name, {"archive_format": "pt2", "byteorder": "little", "version": "0"}[name])
        for name in ("serialized_exported_program.json", "models/model.json"):
            archive.writestr(name, "{}")
        for name in ("serialized_state_dict.pt", "serialized_constants.pt", "serialized_example_inputs.pt", "data.pkl"):
            archive.writestr(name, _torch_zip(evil))
    return buffer.getvalue()


def _safetensors(evil: _Touch) -> bytes:
    header = json.dumps({"__metadata__": {"format": "edgezoo-1", "spec": pickle.dumps(evil, protocol=0).decode()}})
    return struct.pack("<Q", len(header)) + header.encode()


def _archive(evil: _Touch) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(evil._marker))
        archive.addfile(tarfile.TarInfo("../marker"))
    return buffer.getvalue()


MALICIOUS = {
    "a pickle": lambda evil: pickle.dumps(evil),
    "a pickle in text": lambda evil: pickle.dumps(evil, protocol=0),
    "torch.save": _torch_zip,
    "np.save": _numpy,
    "torch.export.save": _exported_program,
    "safetensors": _safetensors,
    "a tar": _archive,
    "yaml": lambda evil: f"- !!python/object/apply:pathlib.Path.touch [{evil._marker}]\n".encode(),
    "yaml of a class": lambda evil: f"!!python/object/new:os.system ['touch {evil._marker}']\n".encode(),
    "JSON": lambda evil: json.dumps({"py/reduce": [{"py/function": "os.system"}, f"touch {evil._marker}"]}).encode(),
}


@pytest.mark.parametrize("kind", MALICIOUS)
def test_a_malicious_file_is_refused_in_one_line_whatever_it_is_given_as(kind, marker, tmp_path, refused):
    content = MALICIOUS[kind](_Touch(marker))

    def written(name: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    for suffix in (".pt", ".pth", ".safetensors", ".npy", ".bin"):
        with pytest.raises(EdgezooError):
            zoo.load_model(written(f"net{suffix}"))
        with pytest.raises(EdgezooError):
            zoo.create_model("mobilenetv1_025", pretrained=tmp_path / f"net{suffix}")
        with pytest.raises(EdgezooError):
            load_supernet(tmp_path / f"net{suffix}")
    assert not load_weights(torch.nn.Linear(2, 2), written("weights.safetensors"), {})

    refused("latency", "show", written("table.json"))
    refused("latency", "predict", "onnxruntime-fp32", written("spec.json"))
    compress = ("compress", "mobilenetv1_025", "--data", "digits", "--out", tmp_path / "out", "--recipe")
    for suffix in ("json", "yaml"):
        refused(*compress, written(f"recipe.{suffix}"))
    start = ("search", "start", "--data", "digits", "--budget-ms", 1, "--out", tmp_path / "new", "--table")
    refused(*start, written("table.json"))
    with pytest.raises(EdgezooError):
        load_space(written("space.json"))
    for name in ("search.json", "study.db", "table.json"):
        written(f"search/{name}")
    refused("search", "status", tmp_path / "search")
    for name in ("model.onnx", "model.json"):
        written(f"shipped/{name}")
    refused("verify", tmp_path / "shipped")
    written("run/settings.json")
    refused("run", "--data", "digits", "--budget-ms", 1, "--out", tmp_path / "run", "--teacher", "mobilenetv1_025")
    for name in ("data_batch_1", "test_batch", "batches.meta"):
        written(f"images/cifar-10-batches-py/{name}")
    assert "CIFAR10" in refused(*compress, "fast", "--data", f"torchvision:CIFAR10@{tmp_path / 'images'}")


def test_a_malicious_attribute_of_a_study_is_text(marker, tmp_path, refused):
    evil = pickle.dumps(_Touch(marker))
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(study_name=STUDY_NAME, storage=open_storage(tmp_path), directions=["maximize"])
    study.set_user_attr("settings", evil.hex())
    study._storage.set_study_system_attr(study._study_id, "cma:optimizer:0", evil.hex())
    attributes = dict.fromkeys(("spec", "accuracy", "digest", "params", "costs", "seconds"), evil.hex())
    study.add_trial(optuna.trial.create_trial(value=1.0, user_attrs=attributes, system_attrs={"cma:0": evil.hex()}))
    (tmp_path / "search.json").write_text(
        '{"space": {"name": "s"}, "data": "digits", "budgets_ms": {"": 1.0}, "sampler": "random"}'
    )
    refused("search", "export", tmp_path, "--out", tmp_path / "out.csv")
    refused("search", "report", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", MALICIOUS)
def test_a_malicious_model_file_is_refused_by_every_runtime(kind, marker, tmp_path, refused):
    for suffix in sorted(model_suffixes()):
        (tmp_path / f"model{suffix}").write_bytes(MALICIOUS[kind](_Touch(marker)))
        refused("latency", "measure", tmp_path / f"model{suffix}")
