"""Fixtures that several packages share."""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial

from latency_tables import LatencyTable, build_table
from model_compression import compress
from search import SPACES, Space, Stage
from zoo import ArchSpec, BlockSpec
from zoo.data import Splits, load_data
from zoo.training import TrainConfig


@pytest.fixture(scope="session")
def digits() -> Splits:
    """The digits at 16 pixels, small enough for many quick trainings."""
    return load_data("digits", resolution=16)


@pytest.fixture(scope="session")
def small_space() -> Space:
    """A space whose networks train on the digits in a second."""
    stage = Stage(kinds=("conv", "ghost", "shuffle_v2"), depths=(1, 2), widths=(16, 24), acts=("relu",))
    last = stage.model_copy(update={"widths": (32, 40)})
    return Space(name="small", resolutions=(16,), stem_widths=(8,), stages=(stage, last), head_widths=(32,))


@pytest.fixture(scope="session")
def small_table(small_space: Space) -> LatencyTable:
    """A table of the small space, measured on this machine."""
    return build_table(small_space, dtype="fp32", networks=24, in_chans=1, seconds_each=0.1, rounds=3)


@pytest.fixture(scope="session")
def tiny() -> Space:
    """The shipped space for small images."""
    return SPACES.get("tiny")


@pytest.fixture(scope="session")
def shipped(digits, tmp_path_factory) -> Path:
    """The folder of an artifact: a network of one block, quantized and measured; leave it as it is."""
    folder = tmp_path_factory.mktemp("shipped")
    spec = ArchSpec(resolution=16, blocks=(BlockSpec(kind="conv", out_chans=16, stride=2),))
    compress(spec, digits, recipe="train+int8", folder=folder, config=TrainConfig(epochs=1))
    return folder


@pytest.fixture
def import_script(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """A function that imports a file of scripts/ by its name."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "scripts")
    return importlib.import_module


@pytest.fixture
def scored_once() -> Callable[[optuna.Study, int], list[FrozenTrial]]:
    """A function that asserts that a study has so many scored networks, none twice, and returns their trials."""

    def check(study: optuna.Study, count: int) -> list[FrozenTrial]:
        scored = [t for t in study.get_trials(deepcopy=False) if "spec" in t.user_attrs]
        assert len(scored) == count
        assert len({t.user_attrs["digest"] for t in scored}) == count
        assert all("accuracy" in t.user_attrs for t in scored)
        return scored

    return check


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A stand-in for the Hugging Face Hub that this process talks to, with a cache and a token of its own."""
    constants = pytest.importorskip("huggingface_hub.constants", reason="pip install 'edgezoo[hub]'")
    monkeypatch.setenv("HF_TOKEN", "hf_of_this_test")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    spec = importlib.util.spec_from_file_location("hub_server", Path(__file__).with_name("hub_server.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules["hub_server"] = module  # its dataclasses look there for what their annotations name
    spec.loader.exec_module(module)
    with module.HubServer() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server
