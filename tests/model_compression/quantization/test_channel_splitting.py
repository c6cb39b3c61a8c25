import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import numpy_helper

import zoo
from latency_tables.onnx_files import export_onnx
from model_compression.errors import QuantizationError
from model_compression.quantization.channel_splitting import split_channels, split_weight

_SHAPE = (1, 3, 32, 32)
_WEIGHTS = hnp.arrays(np.float32, (3, 4, 1, 1), elements=st.floats(-8, 8, width=32))


def _run(path, images):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"input": image})[0] for image in images])


def _weights(path):
    graph = onnx.load(path).graph
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    return {node.name: tensors[node.input[1]] for node in graph.node if node.op_type in ("Conv", "Gemm")}


@pytest.mark.parametrize("name", ["mobilenetv1_025", "mobilenetv2_100", "efficientnet_lite0"])
@pytest.mark.parametrize("bits", [None, 4])
def test_networks_of_the_zoo_compute_the_same_with_more_channels(name, bits, tmp_path):
    before, after = tmp_path / "float.onnx", tmp_path / "split.onnx"
    export_onnx(zoo.create_model(name, num_classes=7, in_chans=3, seed=0).eval(), _SHAPE, before)
    added = split_channels(before, after, share=0.02, multiple=8, bits=bits)
    assert len(added) > 5 and all(count % 8 == 0 and count > 0 for count in added.values())
    images = np.random.default_rng(0).standard_normal((4, *_SHAPE)).astype(np.float32)
    expected = _run(before, images)
    assert np.abs(_run(after, images) - expected).max() <= 1e-5 * max(1, np.abs(expected).max())
    onnx.checker.check_model(onnx.load(after), full_check=True)
    old, new = _weights(before), _weights(after)
    for layer, count in added.items():
        assert new[layer].shape[1] == old[layer].shape[1] + count
        assert np.abs(new[layer]).max() < np.abs(old[layer]).max()


@given(_WEIGHTS, st.integers(0, 12), st.sampled_from([None, 3, 4, 8]))
def test_split_columns_add_up_to_the_old_ones(weight, count, bits):
    split, origin = split_weight(weight, count, bits=bits)
    total = np.zeros_like(weight)
    np.add.at(total, (slice(None), origin), split)
    np.testing.assert_allclose(total, weight, atol=1e-5)
    assert sorted(set(origin)) == list(range(4)) and len(origin) == 4 + count


def test_the_largest_channel_is_split_first_and_again():
    weight = np.array([[1.0, 9.0, 2.0, 4.0]], np.float32)[..., None, None]
    split, origin = split_weight(weight, 3)
    # by hand: 9 -> 4.5 4.5 -> 2.25 2.25 4.5 -> four of 2.25
    assert origin.tolist() == [0, 1, 2, 3, 1, 1, 1]
    assert split.ravel().tolist() == [1, 2.25, 2, 4, 4.5 / 2, 4.5 / 2, 4.5 / 2]


@given(st.floats(-7, 7, width=32))
def test_aware_halves_round_to_what_the_whole_rounds_to(value):
    weight = np.array([[value, 7.0, 7.0, 7.0]], np.float32)[..., None, None]  # the step of 4 bits is 1
    if abs(value) < 7:
        weight[0, 1:] = 0
        weight = np.concatenate([weight, np.zeros_like(weight)])
        weight[0, 0] = 7.0  # what sets the step
        weight[1, 0] = value
    split, origin = split_weight(weight, 1, bits=4)
    halves = split[-1, [0, 4], 0, 0].astype(np.float64)
    if origin[4] == 0 and abs(value * 2 % 1) > 1e-4:  # not half-way between two steps
        assert np.floor(halves + 0.5).sum() == np.floor(np.float64(value) + 0.5)


@pytest.mark.parametrize("settings", [{"share": -0.1}, {"multiple": 0}])
def test_settings_that_make_no_sense_are_refused(settings, tmp_path):
    with pytest.raises(QuantizationError, match="share >= 0"):
        split_channels(tmp_path / "none.onnx", tmp_path / "none.onnx", **settings)
