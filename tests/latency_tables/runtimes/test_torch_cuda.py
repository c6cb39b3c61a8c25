import importlib.metadata
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import zoo
from latency_tables import RuntimeUnavailableError, get_runtime
from latency_tables.bench import Bench
from latency_tables.runtimes import RUNTIMES, open_session

_RUNTIMES = ("torch-cuda", "inductor-cuda")
_HAS_GPU = bool(RUNTIMES.get("torch-cuda").version())
needs_gpu = pytest.mark.skipif(not _HAS_GPU, reason="needs an NVIDIA GPU and a CUDA build of PyTorch")


def _network() -> nn.Module:
    blocks = (zoo.BlockSpec(kind="conv", out_chans=16), zoo.BlockSpec(kind="inverted_residual", out_chans=32, stride=2))
    network = zoo.ArchSpec(resolution=32, blocks=blocks).build(5, 3, seed=0)
    network.head.classifier.weight.data.normal_(0, 0.3)
    return network.eval()


@pytest.mark.skipif(_HAS_GPU, reason="a GPU is here")
@pytest.mark.parametrize("runtime", _RUNTIMES)
def test_without_a_gpu_the_error_says_what_is_needed(runtime):
    with pytest.raises(RuntimeUnavailableError, match="NVIDIA GPU"):
        get_runtime(runtime)


@pytest.mark.parametrize("runtime", _RUNTIMES)
@pytest.mark.parametrize(("version", "devices"), [("2.13.0+cpu", ["nvidia0"]), ("2.13.0", ["nvidiactl", "null"])])
def test_a_cpu_build_or_a_machine_without_a_gpu_has_no_version(runtime, version, devices, monkeypatch):
    monkeypatch.setattr(importlib.metadata, "version", lambda _: version)
    monkeypatch.setattr(Path, "glob", lambda _, pattern: [Path(d) for d in devices if Path(d).match(pattern)])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert RUNTIMES.get(runtime).version() is None


@needs_gpu
@pytest.mark.parametrize("runtime", _RUNTIMES)
@pytest.mark.parametrize(("dtype", "tolerance"), [("fp32", 1e-4), ("fp16", 2e-2)])
def test_scores_are_those_of_the_module(runtime, dtype, tolerance):
    network, images = _network(), np.random.default_rng(0).standard_normal((5, 3, 32, 32), dtype=np.float32)
    expected = network(torch.from_numpy(images)).detach().numpy()
    scores = open_session(runtime, network, (2, 3, 32, 32), dtype=dtype).predict(images)
    assert np.abs(scores - expected).max() < tolerance * np.abs(expected).max()


@needs_gpu
@pytest.mark.parametrize("runtime", _RUNTIMES)
def test_a_run_returns_when_the_gpu_is_done(runtime):
    session = open_session(runtime, _network(), (8, 3, 32, 32))
    session.run()
    assert torch.cuda.current_stream().query()


@needs_gpu
@pytest.mark.parametrize("runtime", _RUNTIMES)
def test_in_the_measuring_process(runtime):
    with Bench(runtime, "fp16") as bench:
        bench.add("net", _network(), (1, 3, 32, 32))
        assert bench.visit("net", samples=1)[0].ms > 0
        assert bench.device.settings["gpu"] and bench.profile("net", runs=1) is None
