import os
import subprocess
import sys

import pytest

from edgezoo.commands import completion
from latency_tables import RUNTIMES
from model_compression.recipe import RECIPES, STEPS
from search import SPACES
from search.early_stopping import PRUNERS
from search.samplers import SAMPLERS
from search.scores import SCORES
from search.scores.training_free import PROXIES
from zoo import list_blocks, list_models
from zoo.data import SOURCES

# other tests register steps of their own
_STEPS = [name for name in STEPS if STEPS.get(name).__module__.startswith("model_compression.")]


@pytest.mark.parametrize(
    ("package", "registry"),
    [
        ("latency_tables/runtimes", RUNTIMES),
        ("search/spaces", SPACES),
        ("search/samplers", SAMPLERS),
        ("search/scores", SCORES),
        ("search/scores/training_free", PROXIES),
        ("model_compression/recipe/steps", _STEPS),
        ("zoo/data", SOURCES),
        ("zoo/blocks", list_blocks()),
    ],
)
def test_the_sources_tell_what_the_registries_hold(package, registry):
    assert completion.registered(package) == sorted(registry)


def test_constants_and_networks_are_those_of_the_packages(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert completion.pruners("") == list(PRUNERS)
    assert set(RECIPES) < set(completion.recipes(""))
    assert completion.networks("") == list_models()
    assert completion.tables("onnxruntime") == ["onnxruntime-fp32", "onnxruntime-int8"]


def test_files_are_offered_beside_names(tmp_path, monkeypatch):
    (tmp_path / "ghost").mkdir()
    (tmp_path / "ghost" / "spec.json").write_text("{}")
    (tmp_path / ".hidden").write_text("")
    monkeypatch.chdir(tmp_path)
    assert completion.networks("ghostnet_1") == ["ghostnet_100", "ghostnet_130"]
    assert completion.networks("ghost")[-1] == "ghost/"
    assert completion.paths("ghost/s") == ["ghost/spec.json"]
    assert completion.paths(f"{tmp_path}/gh") == [f"{tmp_path}/ghost/"]
    assert completion.paths("") == ["ghost/"] and completion.paths("nowhere/") == []


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("edgezoo models show mobilenetv4_conv_m", {"mobilenetv4_conv_medium"}),
        ("edgezoo run --runtime onnx", {"onnxruntime"}),
        ("edgezoo latency measure x --runtime openvino --dtype int8", {"int8", "int8-nncf"}),
        ("edgezoo search start --sampler nsga", {"nsga2", "nsga3"}),
        ("edgezoo search start --space mob", {"mobile"}),
        ("edgezoo run --recipe distil+pr", {"distil+prune"}),
        ("edgezoo search start --prun", {"--pruner"}),
        ("edgezoo late", {"latency"}),
    ],
)
def test_the_tab_key_in_bash_offers_the_names_without_pytorch(words, offered, tmp_path):
    (tmp_path / "torch.py").write_text("raise SystemExit('PyTorch for a key press')")
    setting = {"_EDGEZOO_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    path = os.pathsep.join([str(tmp_path), *(part for part in sys.path if part)])
    program = [sys.executable, "-c", "import sys; sys.argv = ['edgezoo']; from edgezoo.cli import main; main()"]
    env = os.environ | setting | {"PYTHONPATH": path}
    shown = subprocess.run(program, capture_output=True, text=True, timeout=60, cwd=tmp_path, env=env)
    assert set(shown.stdout.split()) == offered, shown.stderr
