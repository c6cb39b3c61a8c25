import copy
import pickle
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import zoo
from latency_tables import MeasurementError, get_runtime
from latency_tables.bench import Bench
from latency_tables.runtimes import RUNTIMES, open_session
from latency_tables.torch_programs import export_program, forward_of, load_program
from latency_tables.transport import worker_archive

_KINDS = {
    "conv": {},
    "depthwise_separable": {"se_ratio": 0.25},
    "inverted_residual": {"act": "hard_swish"},
    "ghost": {"se_ratio": 0.25},
    "shuffle_v1": {"groups": 4},
    "shuffle_v2": {},
    "group_conv": {"group_width": 16},
    "fire": {"norm": True},
}


@pytest.fixture(autouse=True)
def _keep_the_number_of_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def _network(*kinds: str, chans: int = 64) -> nn.Module:
    blocks = [zoo.BlockSpec(kind=kind, out_chans=chans, stride=2, options=_KINDS[kind]) for kind in kinds]
    network = zoo.ArchSpec(resolution=16, blocks=(zoo.BlockSpec(kind="conv", out_chans=16), *blocks)).build(
        5, 2, seed=0
    )
    with torch.no_grad():  # untrained statistics would hide a wrong layer
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.running_mean.normal_(0, 0.2)
                layer.running_var.uniform_(0.5, 1.5)
    network.head.classifier.weight.data.normal_(0, 0.3)
    return network.eval()


def _images(count: int, height: int = 16, width: int = 16) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((count, 2, height, width), dtype=np.float32)


def _scores(network: nn.Module, images: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return network(torch.from_numpy(images)).numpy()


@pytest.mark.parametrize("kind", _KINDS)
def test_scores_are_those_of_the_module(kind):
    network, images = _network(kind), _images(4)
    expected = _scores(network, images)
    scores = open_session("torch", network, (1, 2, 16, 16)).predict(images)
    assert np.abs(scores - expected).max() < 1e-4 * np.abs(expected).max()


def test_any_number_of_images_in_batches_and_sizes_that_are_not_square():
    network, images = _network("inverted_residual"), _images(5, 24, 16)
    scores = open_session("torch", network, (2, 2, 24, 16)).predict(images)
    assert scores.shape == (5, 5)
    np.testing.assert_allclose(scores, _scores(network, images), atol=1e-4)


@pytest.mark.parametrize("kind", _KINDS)
def test_the_program_makes_the_operator_calls_of_the_module(kind, tmp_path):
    class Counting(TorchDispatchMode):
        def __init__(self):
            super().__init__()
            self.calls = Counter()

        def __torch_dispatch__(self, call, types, args=(), kwargs=None):
            self.calls[str(call)] += 1
            return call(*args, **(kwargs or {}))

    network, image = _network(kind), torch.randn(1, 2, 16, 16)
    program = forward_of(load_program(export_program(network, (1, 2, 16, 16), tmp_path)))
    calls = []
    for function in (network, program):
        with torch.inference_mode(), Counting() as counting:
            function(image)
        calls.append(counting.calls)
    assert calls[0] == calls[1] and calls[0]["aten.conv2d.default"] >= 2


def test_the_network_is_left_as_it_was_and_nothing_is_said(tmp_path, capfd):
    network = _network("conv").train()
    before = copy.deepcopy(network.state_dict())
    export_program(network, (1, 2, 16, 16), tmp_path, dtype="fp16")
    assert network.training
    after = network.state_dict()
    assert all(
        torch.equal(value, after[name]) and value.stride() == after[name].stride() for name, value in before.items()
    )
    assert capfd.readouterr() == ("", "")


def test_the_weights_of_a_program_are_channels_last_and_in_the_format_asked_for(tmp_path):
    program = load_program(export_program(_network("conv"), (1, 2, 16, 16), tmp_path, dtype="fp16"))
    floats = [value for value in program.state_dict.values() if value.is_floating_point()]
    assert {value.dtype for value in floats} == {torch.float16}
    filters = [value for value in floats if value.dim() == 4 and value.shape[2:] == (3, 3)]
    assert filters and all(value.is_contiguous(memory_format=torch.channels_last) for value in filters)


def test_loading_a_program_unpickles_nothing(tmp_path, monkeypatch):
    path = export_program(_network("shuffle_v2"), (1, 2, 16, 16), tmp_path)
    load, loaded = torch.load, []

    def tensors_only(file, **options):
        assert options["weights_only"]
        loaded.append(file)
        return load(file, **options)

    def refuse(*_):
        raise AssertionError("unpickled")

    monkeypatch.setattr(torch, "load", tensors_only)
    monkeypatch.setattr(pickle, "loads", refuse)
    monkeypatch.setattr(pickle, "load", refuse)
    load_program(path)
    assert loaded


def test_one_thread_computes_in_the_calling_thread_and_two_are_two():
    network = _network("conv", "conv", chans=128)
    shares = {}
    for threads in (1, 2):
        session = open_session("torch", network, (1, 2, 64, 64), threads=threads)
        session.run()
        own, all_threads = time.thread_time(), time.process_time()
        for _ in range(20):
            session.run()
        shares[threads] = (time.thread_time() - own) / (time.process_time() - all_threads)
    assert shares[1] > 0.9
    assert shares[2] < 0.8


def test_a_profile_has_a_node_for_each_call_and_finds_the_modules():
    network = _network("shuffle_v2", "inverted_residual")
    nodes = open_session("torch", network, (1, 2, 16, 16)).profile(5)
    outputs = {}
    for path, module in network.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.register_forward_hook(lambda _, __, out, path=path: outputs.update({path: tuple(out.shape)}))
    _scores(network, _images(1))
    found = {node.module: node.outputs[0] for node in nodes if node.op in ("conv2d", "linear")}
    assert found == outputs
    convolutions = [node for node in nodes if node.op == "conv2d"]
    assert all(node.ms > 0 and len(node.inputs[1]) == 4 for node in convolutions)
    assert all("conv" in node.executed for node in convolutions)
    assert {"batch_norm", "relu_", "cat"} <= {node.op for node in nodes}


def test_a_network_that_cannot_be_exported_is_one_line_and_leaves_no_file(tmp_path):
    class Undecided(nn.Module):
        def forward(self, images):
            return images if images.sum() > 0 else -images

    with pytest.raises(MeasurementError, match=r"torch\.export cannot follow it") as caught:
        export_program(Undecided(), (1, 1, 4, 4), tmp_path)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_broken_program_is_one_line_and_no_more(tmp_path, capfd):
    path = tmp_path / "network.program"
    path.write_bytes(b"no program")
    with pytest.raises(MeasurementError, match="cannot load it") as caught:
        get_runtime("torch").load(path, None, dtype="fp32", threads=1)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_runtimes_are_listed_without_importing_pytorch(tmp_path):
    if RUNTIMES.get("torch-cuda").version():
        pytest.skip("a GPU is here, and only PyTorch tells whether it can use it")
    (tmp_path / "worker.zip").write_bytes(worker_archive())
    code = (
        "import sys; from latency_tables.runtimes import RUNTIMES;"
        "print({n: RUNTIMES.get(n).version() for n in RUNTIMES}, 'torch' in sys.modules)"
    )
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path / 'worker.zip')!r}); {code}"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    assert f"'torch': {torch.__version__!r}" in listed and listed.endswith("False\n")


def test_in_the_measuring_process(tmp_path):
    with Bench("torch", "fp32") as bench:
        bench.add("net", _network("inverted_residual"), (1, 2, 16, 16))
        samples = bench.visit("net", samples=2)
        assert len(samples) == 2 and all(sample.ms > 0 for sample in samples)
        assert "blocks.1.dw.conv" in {node.module for node in bench.profile("net", runs=2)}
        assert bench.device.settings.items() >= {"memory_format": "channels_last", "module": "torch.export"}.items()
        path = tmp_path / "theirs.pt2"
        torch.export.save(torch.export.export(nn.ReLU(), (torch.zeros(1),)), path)
        with pytest.raises(MeasurementError, match="loads no model files"):
            bench.add_file("theirs", path)
