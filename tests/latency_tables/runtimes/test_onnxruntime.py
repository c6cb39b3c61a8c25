import random

import numpy as np
import pytest

from latency_tables import get_runtime
from latency_tables.kernels import spec_kernels
from latency_tables.observation import share_out
from latency_tables.runtimes.onnxruntime import module_path


@pytest.mark.parametrize(
    ("node", "module"),
    [
        ("/blocks/blocks.3/dw/conv/Conv", "blocks.3.dw.conv"),
        ("/blocks/blocks.3/main/main.0/act/Relu_output_0_nchwc_kernel_time", "blocks.3.main.0.act"),
        ("ReorderOutput_token_101_kernel_time", ""),
    ],
)
def test_node_names_tell_the_module(node, module):
    assert module_path(node) == module


@pytest.mark.parametrize("dtype", ["fp32", "int8"])
@pytest.mark.parametrize("seed", range(6))
def test_every_convolution_of_the_network_is_found_in_the_profile(tiny, dtype, seed):
    spec = tiny.sample(random.Random(seed))
    session = get_runtime("onnxruntime", dtype).prepare(
        spec.build(10, 1, seed=0), (1, 1, spec.resolution, spec.resolution), dtype=dtype, threads=1
    )
    placed = spec_kernels(spec, 10, 1)
    costs, rest = share_out(session.profile(2, lambda: 1.0), placed)
    assert set(costs) == {p.kernel.key for p in placed if p.kernel.op in ("conv", "linear")}
    assert all(cost >= 0 for cost in costs.values()) and rest > 0


def test_pace_divides_the_cost(tiny):
    spec = tiny.sample(random.Random(0))
    session = get_runtime("onnxruntime").prepare(
        spec.build(10, 1, seed=0), (1, 1, spec.resolution, spec.resolution), dtype="fp32", threads=1
    )
    plain = sum(node.cost for node in session.profile(10, lambda: 1.0))
    thousandth = sum(node.cost for node in session.profile(10, lambda: 1000.0))
    assert thousandth < plain / 100


def test_predictions_of_many_images_equal_those_of_one(tiny):
    spec = tiny.sample(random.Random(0))
    shape = (1, 1, spec.resolution, spec.resolution)
    session = get_runtime("onnxruntime").prepare(spec.build(10, 1, seed=0), shape, dtype="fp32", threads=1)
    images = np.random.default_rng(0).standard_normal((3, *shape[1:]), dtype=np.float32)
    together = session.predict(images)
    assert together.shape == (3, 10)
    np.testing.assert_array_equal(together[1:2], session.predict(images[1:2]))
