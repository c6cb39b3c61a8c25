"""What is packed, installed and used from another folder."""

import ast
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from setuptools import Distribution

ROOT = Path(__file__).parents[1]
PACKAGES = ("zoo", "latency_tables", "model_compression", "search", "edgezoo")
_CACHES = {"__pycache__", ".ruff_cache", ".pytest_cache", ".hypothesis"}
_MADE_BY_TOOLS = {*_CACHES, ".git", "build", "dist", "runs", "shared"}
_PINNED = {"pydantic_core"}  # by pydantic, to the very version


def _on_disk() -> set[str]:
    files = [path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file()]
    return {str(path) for path in files if not _MADE_BY_TOOLS & set(path.parts)}


def test_every_file_of_the_packages_is_packed_and_nothing_else(monkeypatch):
    monkeypatch.chdir(ROOT)
    distribution = Distribution({"src_root": ".", "script_name": "setup.py"})
    distribution.parse_config_files()
    distribution.include_package_data = False  # asks for a MANIFEST.in, which there is none of, and writes egg-info
    build = distribution.get_command_obj("build_py")
    build.ensure_finalized()
    modules = {path for _, _, path in build.find_all_modules()}
    data = {str(Path(folder, name)) for _, folder, _, names in build.data_files for name in names}
    packed = {str(Path(path)) for path in modules | data}
    assert {path for path in packed if not path.endswith(".pyc")} == _on_disk()
    assert any(path.endswith("tables/onnxruntime-int8.json") for path in packed)


def test_every_dependency_has_a_lower_bound_and_the_fast_moving_ones_an_upper():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [Requirement(text) for text in project["dependencies"]]
    extras = [Requirement(text) for name, texts in project["optional-dependencies"].items() for text in texts]
    by_date = {"pillow", "pyarrow"}  # a major version every few months, with nothing in it that we use
    for one in needed:
        operators = {part.operator for part in one.specifier}
        assert ">=" in operators and ("<" in operators or one.name in by_date), one
    assert {name for one in extras if one.name == "edgezoo" for name in one.extras} <= set(
        project["optional-dependencies"]
    )


def test_everything_that_is_imported_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    texts = [*project["dependencies"], *(text for group in project["optional-dependencies"].values() for text in group)]
    declared = {_normal(Requirement(text).name) for text in texts}
    homes = {name: {_normal(one) for one in found} for name, found in packages_distributions().items()}
    for path in _on_disk():
        if not path.endswith(".py"):
            continue
        for node in ast.walk(ast.parse((ROOT / path).read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for name in {name.partition(".")[0] for name in names} - set(PACKAGES) - sys.stdlib_module_names - _PINNED:
                assert declared & (homes.get(name, set()) | {_normal(name)}), f"{path} imports {name}"


def _normal(name: str) -> str:
    return name.lower().replace("_", "-")


def _run(*command: object, folder: Path) -> str:
    outside = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    result = subprocess.run([*map(str, command)], cwd=folder, env=outside, capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    return result.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A folder with the sdist, and the wheel that was built out of it."""
    pytest.importorskip("build", reason="pip install build")
    source, dist = tmp_path_factory.mktemp("source") / "edgezoo", tmp_path_factory.mktemp("dist")
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(*_MADE_BY_TOOLS, "*.egg-info"))
    _run(sys.executable, "-m", "build", "--no-isolation", "--outdir", dist, source, folder=dist)
    return dist


@pytest.mark.slow
def test_the_wheel_holds_the_packages_and_only_them(built):
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert names == _on_disk()


@pytest.mark.slow
def test_the_sdist_holds_what_building_needs_and_no_more_than_text(built):
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
        size = sum(member.size for member in sdist.getmembers())
    assert {"pyproject.toml", "README.md", "LICENSE", *_on_disk()} <= names
    assert size < 30 * 2**20


@pytest.mark.slow
def test_the_wheel_works_in_a_clean_environment_from_another_folder(built, tmp_path):
    """The dependencies are those of this environment: they alone are gigabytes."""
    home = tmp_path / "venv"
    venv.create(home)
    python = home / "bin" / "python"
    wheel = next(built.glob("*.whl"))
    _run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel, folder=tmp_path)
    site = Path(_run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=tmp_path).strip())
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    where = _run(python, "-c", f"import {', '.join(PACKAGES)}; print(zoo.__file__)", folder=tmp_path)
    assert Path(where.strip()).is_relative_to(home)
    command = home / "bin" / "edgezoo"
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert _run(command, "--version", folder=tmp_path).split() == ["edgezoo", version]
    assert json.loads(_run(command, "doctor", "--json", folder=tmp_path))["versions"]["edgezoo"] == version
    assert "ghostnet_100" in _run(command, "models", "list", "ghostnet*", folder=tmp_path)
    predict = ["latency", "predict", "onnxruntime-int8", "mobilenetv1_025", "--image-size", 32, "--json"]
    assert json.loads(_run(command, *predict, folder=tmp_path))["ms"] > 0
    assert _run(command, "search", "spaces", folder=tmp_path).count("\n") > 4
