import shutil

import numpy as np
import pytest
import torch
from torch import nn

from latency_tables import MeasurementError, get_runtime
from latency_tables.bench import Bench
from latency_tables.runtimes import InputShape, Session
from latency_tables.torch_programs import export_program

pytestmark = pytest.mark.skipif(not shutil.which("g++"), reason="aotinductor needs a C++ compiler: apt install g++")

_SHAPE: InputShape = (1, 3, 8, 12)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A network, its session, and the package that was made for it."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 8 * 12, 5)).eval()
    path = export_program(network, _SHAPE, tmp_path_factory.mktemp("net"))
    session = get_runtime("aotinductor").load(path, None, dtype="fp32", threads=1)
    return network, session, path.with_suffix(".pt2")


def _assert_same_scores(session: Session, network: nn.Module) -> None:
    images = np.random.default_rng(0).standard_normal((3, *_SHAPE[1:]), dtype=np.float32)
    expected = network(torch.from_numpy(images)).detach().numpy()
    np.testing.assert_allclose(session.predict(images), expected, atol=1e-5)


def test_scores_are_those_of_the_module(compiled):
    network, session, _ = compiled
    _assert_same_scores(session, network)


def test_a_package_made_before_gives_the_scores_of_its_network(compiled):
    network, _, package = compiled
    _assert_same_scores(get_runtime("aotinductor").load(package, _SHAPE, dtype="fp32", threads=1), network)


def test_a_package_for_images_of_one_channel_is_run(tmp_path):
    network, shape = (
        nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Flatten(), nn.Linear(4 * 64, 5)).eval(),
        (1, 1, 8, 8),
    )
    path = export_program(network, shape, tmp_path)
    get_runtime("aotinductor").load(path, None, dtype="fp32", threads=1)
    again = get_runtime("aotinductor").load(path.with_suffix(".pt2"), shape, dtype="fp32", threads=1)
    images = np.random.default_rng(0).standard_normal((3, 1, 8, 8), dtype=np.float32)
    np.testing.assert_allclose(again.predict(images), network(torch.from_numpy(images)).detach().numpy(), atol=1e-5)


@pytest.mark.slow
def test_a_package_for_the_other_memory_format_is_run_in_it(compiled, tmp_path):
    network, path = compiled[0], tmp_path / "theirs.pt2"
    with torch.no_grad():
        program = torch.export.export(network, (torch.randn(_SHAPE),))
        torch._inductor.aoti_compile_and_package(program, package_path=str(path))
    _assert_same_scores(get_runtime("aotinductor").load(path, _SHAPE, dtype="fp32", threads=1), network)


@pytest.mark.parametrize(
    ("shape", "said"), [(None, "size of its images"), ((1, 3, 8, 8), "expected: 12, but got: 8"), ((2, 3, 8, 12), "2")]
)
def test_another_size_than_the_package_was_compiled_for_is_one_line(compiled, shape, said):
    with pytest.raises(MeasurementError, match=said) as caught:
        get_runtime("aotinductor").load(compiled[2], shape, dtype="fp32", threads=1)
    assert "\n" not in str(caught.value)


def test_what_is_no_package_is_one_line(tmp_path):
    broken, program = tmp_path / "broken.pt2", tmp_path / "program.pt2"
    broken.write_bytes(b"no package")
    torch.export.save(torch.export.export(nn.ReLU(), (torch.zeros(_SHAPE),)), program)
    for path in (broken, program):
        with pytest.raises(MeasurementError, match="aotinductor cannot load it") as caught:
            get_runtime("aotinductor").load(path, _SHAPE, dtype="fp32", threads=1)
        assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_package_in_the_measuring_process(compiled):
    with Bench("aotinductor", "fp32") as bench:
        bench.add_file("theirs", compiled[2], _SHAPE)
        assert bench.visit("theirs", samples=1)[0].ms > 0
