import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from torch import nn

import zoo
from latency_tables import MeasurementError, get_runtime
from latency_tables.bench import Bench
from latency_tables.runtimes import RUNTIMES, random_images

if RUNTIMES.get("executorch").version() is None:
    pytest.skip("executorch is not installed; pip install 'edgezoo[executorch]'", allow_module_level=True)

_SHAPE = (2, 1, 20, 12)
_BLOCKS = (
    zoo.BlockSpec(kind="conv", out_chans=16),
    zoo.BlockSpec(kind="shuffle_v1", out_chans=32, stride=2, options={"groups": 4}),
    zoo.BlockSpec(kind="inverted_residual", out_chans=32, options={"act": "hard_swish", "se_ratio": 0.25}),
)


def _network():
    torch.manual_seed(0)
    network = zoo.ArchSpec(resolution=16, blocks=_BLOCKS).build(5, 1, seed=0)
    with torch.no_grad():  # untrained statistics would hide a wrong fold
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.running_mean.normal_(0, 0.2)
                layer.running_var.uniform_(0.5, 1.5)
    network.head.classifier.weight.data.normal_(0, 0.3)
    return network.eval()


class Odd(nn.Module):
    """A convolution, and something after it."""

    def __init__(self, odd):
        super().__init__()
        self.conv, self.odd = nn.Conv2d(1, 4, 3), odd

    def forward(self, x):
        return self.odd(self.conv(x)).mean((2, 3))


@pytest.fixture(scope="module", params=["fp32", "int8"])
def exported(request, tmp_path_factory):
    network, runtime = _network(), get_runtime("executorch", request.param)
    folder = tmp_path_factory.mktemp(request.param)
    batches = random_images(_SHAPE)
    path = runtime.export(network, _SHAPE, folder, dtype=request.param, calibration=batches)
    return request.param, network, path


@pytest.fixture
def session(exported):
    dtype, _, path = exported
    return get_runtime("executorch").load(path, _SHAPE, dtype=dtype, threads=1)


def test_scores_are_those_of_pytorch_for_any_number_of_images(exported, session):
    dtype, network, _ = exported
    images = torch.randn(5, *_SHAPE[1:])
    expected = network(images).detach().numpy()
    scores = session.predict(images.numpy())
    assert scores.shape == (5, 5)
    assert np.abs(scores - expected).max() / np.abs(expected).max() < (1e-4 if dtype == "fp32" else 0.15)
    np.testing.assert_array_equal(session.predict(images.numpy()[:1]), scores[:1])


def test_profile_names_module_and_number_format_of_every_convolution(exported, session):
    dtype, network, _ = exported
    order = []
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(lambda *_, name=name: order.append(name))
    network(torch.zeros(_SHAPE))
    nodes = session.profile(2)
    weighted = [node for node in nodes if node.op in ("Convolution", "Fully Connected")]
    assert [node.module for node in weighted] == order
    assert all(("QC8" if dtype == "int8" else "F32") in node.executed for node in weighted)
    assert all(node.ms > 0 and not node.module for node in nodes if node not in weighted)
    # XNNPACK has no average pooling with padding
    assert [node.op for node in nodes if "outside XNNPACK" in node.executed].count("avg_pool2d.out") == 1


def test_one_thread_is_the_calling_one_and_others_are_refused_beside_it(exported, session):
    process, thread = time.process_time(), time.thread_time()
    for _ in range(500):
        session.run()
    assert time.thread_time() - thread > 0.95 * (time.process_time() - process)
    with pytest.raises(MeasurementError, match="one number of threads"):
        get_runtime("executorch").load(exported[2], _SHAPE, dtype=exported[0], threads=2)


def test_two_threads_compute(tmp_path):
    network = nn.Sequential(nn.Conv2d(1, 64, 3), nn.Conv2d(64, 64, 3))
    path = get_runtime("executorch").export(network, (1, 1, 32, 32), tmp_path, dtype="fp32", calibration=[])
    code = (
        "import sys, time; from pathlib import Path; from latency_tables import get_runtime;"
        "session = get_runtime('executorch').load(Path(sys.argv[1]), None, dtype='fp32', threads=2);"
        "process, thread = time.process_time(), time.thread_time(); [session.run() for _ in range(200)];"
        "print((time.process_time() - process) / (time.thread_time() - thread))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert float(done.stdout.splitlines()[-1]) > 1.3


@pytest.mark.parametrize(
    ("odd", "operator"),
    [
        (lambda x: nn.functional.conv2d(x, x.mean((0, 2, 3)).view(1, 4, 1, 1)), "aten::convolution.out"),
        (lambda x: torch.fft.fft2(x).real, "_fft_c2c"),
        (lambda x: x if x.sum() > 0 else -x, "data-dependent"),
    ],
)
def test_what_it_cannot_do_is_one_line_and_nothing_else(odd, operator, tmp_path, capfd):
    with pytest.raises(MeasurementError, match=operator) as caught:
        get_runtime("executorch").export(Odd(odd), (1, 1, 8, 8), tmp_path, dtype="fp32", calibration=[])
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")


def test_int8_without_images_is_an_error(tmp_path):
    with pytest.raises(MeasurementError, match="calibrate"):
        get_runtime("executorch").export(_network(), _SHAPE, tmp_path, dtype="int8", calibration=[])


@pytest.mark.parametrize("keep", [0, 100, 0.5])
def test_a_broken_file_is_one_line(keep, exported, tmp_path):
    program = exported[2].read_bytes()
    broken = tmp_path / "broken.pte"
    broken.write_bytes(program[: int(len(program) * keep) if isinstance(keep, float) else keep])
    with pytest.raises(MeasurementError, match="cannot load") as caught:
        get_runtime("executorch").load(broken, None, dtype="fp32", threads=1)
    assert "\n" not in str(caught.value)


def test_another_image_size_than_the_program_has_is_an_error(exported):
    with pytest.raises(MeasurementError, match="20, 12"):
        get_runtime("executorch").load(exported[2], (1, 1, 16, 16), dtype=exported[0], threads=1)


def test_it_is_timed_and_profiled_in_the_measuring_process():
    with Bench("executorch", "fp32") as bench:
        bench.add("net", Odd(nn.ReLU()), _SHAPE)
        assert all(sample.ms > 0 and sample.reference_ms > 0 for sample in bench.visit("net"))
        assert [node.module for node in bench.profile("net", 2) if node.module] == ["conv"]
        assert bench.device.settings["backend"] == "XNNPACK"
