import re
import shutil
import time

import numpy as np
import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

import zoo
from latency_tables import MeasurementError, get_runtime
from latency_tables.bench import Bench
from latency_tables.runtimes import InputShape, Session, open_session
from latency_tables.torch_programs import export_program

pytestmark = pytest.mark.skipif(not shutil.which("g++"), reason="inductor needs a C++ compiler: apt install g++")

_COMPILERS = ("inductor", pytest.param("aotinductor", marks=pytest.mark.slow))  # each compiles for many seconds
_KINDS = {"shuffle_v2": {}, "ghost": {"se_ratio": 0.25, "act": "hard_swish"}, "group_conv": {"group_width": 16}}
_SHAPE: InputShape = (2, 2, 24, 16)


@pytest.fixture(autouse=True)
def _keep_the_number_of_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def _network(kind: str = "inverted_residual", options: dict | None = None) -> nn.Module:
    block = zoo.BlockSpec(kind=kind, out_chans=32, stride=2, options=options or {})
    stem = zoo.BlockSpec(kind="conv", out_chans=16)
    network = zoo.ArchSpec(resolution=16, blocks=(stem, block)).build(5, 2, seed=0)
    with torch.no_grad():  # untrained statistics would hide a wrong fold
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.running_mean.normal_(0, 0.2)
                layer.running_var.uniform_(0.5, 1.5)
    network.head.classifier.weight.data.normal_(0, 0.3)
    return network.eval()


def _assert_same_scores(session: Session, network: nn.Module, count: int) -> None:
    images = np.random.default_rng(1).standard_normal((count, *_SHAPE[1:]), dtype=np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(images)).numpy()
    scores = session.predict(images)
    assert scores.shape == expected.shape
    assert np.abs(scores - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.fixture(scope="module", params=_COMPILERS)
def compiled(request) -> tuple[nn.Module, Session]:
    """A network and its session for batches of two."""
    network = _network()
    return network, open_session(request.param, network, _SHAPE)


def test_scores_are_those_of_the_module_for_any_number_of_images(compiled):
    network, session = compiled
    _assert_same_scores(session, network, count=5)


def test_no_run_compiles_again_and_all_compute_in_the_calling_thread(compiled):
    network, session = compiled
    with torch.compiler.set_stance("fail_on_recompile"):
        _assert_same_scores(session, network, count=3)
        own, all_threads = time.thread_time(), time.process_time()
        for _ in range(100):
            session.run()
    assert time.thread_time() - own > 0.9 * (time.process_time() - all_threads)


def test_batch_norms_are_folded_into_packed_convolutions(compiled):
    network, session = compiled
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        session.run()
    names = [event.name for event in profiler.events()]
    assert not [name for name in names if "batch_norm" in name or name == "aten::convolution"]
    convolutions = sum(isinstance(layer, nn.Conv2d) for layer in network.modules())
    # the ahead-of-time code calls the kernels past the dispatcher: their results' allocations are what shows
    packed = names.count("mkldnn::_convolution_pointwise") or names.count("aten::resize_")
    assert packed == convolutions


@pytest.mark.parametrize("runtime", ["inductor", "aotinductor"])
def test_a_missing_compiler_is_named(runtime, tmp_path):
    path = export_program(nn.ReLU(), _SHAPE, tmp_path)
    with (
        torch._inductor.config.patch({"cpp.cxx": ("no-such-compiler",)}),
        pytest.raises(MeasurementError, match="apt install g") as caught,
    ):
        get_runtime(runtime).load(path, _SHAPE, dtype="fp32", threads=1)
    assert "\n" not in str(caught.value)


def test_an_error_of_the_compiler_is_the_line_that_says_error(tmp_path):
    path = export_program(nn.Hardswish(), (1, 1, 7, 9), tmp_path)
    broken = tmp_path / "broken-g++"
    broken.write_text(
        '#!/bin/sh\ncase "$*" in *-o*) echo "x.cpp:1: fatal error: Python.h: none" >&2; exit 1;; esac\nexec g++ "$@"\n'
    )
    broken.chmod(0o755)
    with (
        torch._inductor.config.patch({"cpp.cxx": (str(broken),), "force_disable_caches": True}),
        pytest.raises(MeasurementError, match=r"cannot compile it: .*Python\.h") as caught,
    ):
        get_runtime("inductor").load(path, None, dtype="fp32", threads=1)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("runtime", ["inductor", "aotinductor"])
def test_the_settings_say_what_compiled_it(runtime):
    settings = get_runtime(runtime).settings("fp32")
    assert settings["freezing"] == "true" and settings["memory_format"] == "channels_last"
    assert re.fullmatch(r"\S+ \d+(\.\d+)*", settings["compiler"])


@pytest.mark.slow
@pytest.mark.parametrize("runtime", _COMPILERS)
@pytest.mark.parametrize("kind", _KINDS)
def test_other_blocks(runtime, kind):
    network = _network(kind, _KINDS[kind])
    _assert_same_scores(open_session(runtime, network, _SHAPE), network, count=2)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", _COMPILERS)
def test_two_threads_are_two(runtime):
    session = open_session(runtime, _network(), (1, 2, 256, 256), threads=2)
    own, all_threads = time.thread_time(), time.process_time()
    for _ in range(30):
        session.run()
    assert time.thread_time() - own < 0.8 * (time.process_time() - all_threads)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", _COMPILERS)
def test_many_networks_in_the_measuring_process(runtime):
    with Bench(runtime, "fp32") as bench:
        for i in range(10):  # more than torch.compile keeps of one function
            network = zoo.ArchSpec(resolution=16, blocks=(zoo.BlockSpec(kind="conv", out_chans=8 + 8 * i),)).build(5, 2)
            bench.add(f"net{i}", network, (1, 2, 16, 16))
        for i in range(10):
            assert all(sample.ms > 0 for sample in bench.visit(f"net{i}", samples=1))
        assert bench.profile("net0", runs=1) is None
