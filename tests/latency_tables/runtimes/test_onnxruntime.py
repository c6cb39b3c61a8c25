import random

import numpy as np
import pytest

from latency_tables.kernels import spec_kernels
from latency_tables.node_names import module_path
from latency_tables.profiles import share_out
from latency_tables.runtimes import open_session


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
    shape = (1, 1, spec.resolution, spec.resolution)
    session = open_session("onnxruntime", spec.build(10, 1, seed=0), shape, dtype=dtype)
    placed = spec_kernels(spec, 10, 1)
    profile = share_out(session.profile(2), placed, 1.0)
    assert set(profile.kernels) == {p.kernel.key for p in placed if p.kernel.has_weights}
    assert all(ms >= 0 for ms in profile.kernels.values()) and profile.rest > 0


def test_the_profile_tells_the_layout_of_each_convolution(tiny):
    spec = tiny.sample(random.Random(0))
    shape = (1, 1, spec.resolution, spec.resolution)
    nodes = open_session("onnxruntime", spec.build(10, 1, seed=0), shape).profile(2)
    executed = {node.executed for node in nodes}
    assert "Conv nchwc" in executed and "Gemm" in executed


def test_predictions_of_many_images_equal_those_of_one(tiny):
    spec = tiny.sample(random.Random(0))
    shape = (1, 1, spec.resolution, spec.resolution)
    session = open_session("onnxruntime", spec.build(10, 1, seed=0), shape)
    images = np.random.default_rng(0).standard_normal((3, *shape[1:]), dtype=np.float32)
    together = session.predict(images)
    assert together.shape == (3, 10)
    np.testing.assert_array_equal(together[1:2], session.predict(images[1:2]))
