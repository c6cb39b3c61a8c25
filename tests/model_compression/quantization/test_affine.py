import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import TensorProto
from onnxruntime.quantization.quant_utils import compute_scale_zp, quantize_nparray

from model_compression.errors import QuantizationError
from model_compression.quantization.affine import Grid, choose_params, dequantize, fake_quantize, quantize

_GRIDS = [
    Grid(bits, signed, symmetric, narrow)
    for bits in range(2, 9)
    for signed in (False, True)
    for symmetric in (False, True)
    for narrow in (False, True)
    if signed or not narrow
]
_FLOAT = st.floats(-(2.0**100), 2.0**100, width=32)
_MODEST = st.floats(-1e3, 1e3, width=32)
_RANGE = st.tuples(_FLOAT | _MODEST, _FLOAT | _MODEST).map(sorted)


@given(_RANGE, st.sampled_from(_GRIDS))
def test_scale_and_zero_point_are_those_of_onnxruntime(bounds, grid):
    low, high = bounds
    params = choose_params(low, high, grid)
    zero_point, scale = compute_scale_zp(
        np.float32(low), np.float32(high), np.int64(grid.qmin), np.int64(grid.qmax), symmetric=grid.symmetric
    )
    assert params.scale.numpy() == scale.astype(np.float32)
    assert params.zero_point.item() == zero_point


@given(st.lists(_RANGE, min_size=1, max_size=5), st.sampled_from(_GRIDS))
def test_channels_get_what_each_would_get_alone(bounds, grid):
    low, high = (torch.tensor(ends) for ends in zip(*bounds, strict=True))
    params = choose_params(low, high, grid, axis=1)
    alone = [choose_params(*pair, grid) for pair in bounds]
    assert torch.equal(params.scale, torch.stack([p.scale for p in alone]))
    assert torch.equal(params.zero_point, torch.stack([p.zero_point for p in alone]))
    assert params.axis == 1 and alone[0].axis is None


@given(_RANGE, st.sampled_from(_GRIDS), hnp.arrays(np.float32, 20, elements=_MODEST))
def test_quantize_and_dequantize_are_torchs_fake_quantize_bit_for_bit(bounds, grid, values):
    params = choose_params(*bounds, grid)
    assume(params.scale > 1e-15)  # torch's operator wants less than 2^63 steps
    values = torch.from_numpy(values)
    expected = torch.fake_quantize_per_tensor_affine(
        values, float(params.scale), int(params.zero_point), grid.qmin, grid.qmax
    )
    assert torch.equal(dequantize(quantize(values, params), params), expected)
    assert torch.equal(fake_quantize(values, params), expected)


@given(
    _RANGE,
    st.sampled_from([g for g in _GRIDS if g.bits == 8 and not g.narrow]),
    hnp.arrays(np.float32, 20, elements=_MODEST),
)
def test_the_integers_are_onnxruntimes_save_half_way_between_two(bounds, grid, values):
    params = choose_params(*bounds, grid)
    ours = quantize(torch.from_numpy(values), params).numpy()
    scale, zero_point = params.scale.numpy(), params.zero_point.numpy().astype(ours.dtype)
    theirs = quantize_nparray(TensorProto.INT8 if grid.signed else TensorProto.UINT8, values, scale, zero_point)
    assert ours.dtype == theirs.dtype
    steps = values.astype(np.float64) / scale
    half_way = np.abs(steps % 1 - 0.5) < 1e-6 * (1 + np.abs(steps))  # it divides by the scale, torch multiplies
    assert (np.abs(ours.astype(int) - theirs) <= half_way).all()


@given(st.lists(_RANGE, min_size=3, max_size=3), st.sampled_from(_GRIDS), st.sampled_from([0, 1, 2, -1]), st.data())
def test_the_same_by_channel(bounds, grid, axis, data):
    values = torch.from_numpy(data.draw(hnp.arrays(np.float32, (3, 3, 3), elements=_MODEST)))
    params = choose_params(*(torch.tensor(ends) for ends in zip(*bounds, strict=True)), grid, axis=axis)
    assume((params.scale > 1e-15).all())
    expected = torch.fake_quantize_per_channel_affine(
        values, params.scale, params.zero_point, axis % 3, grid.qmin, grid.qmax
    )
    assert torch.equal(dequantize(quantize(values, params), params), expected)
    assert torch.equal(fake_quantize(values, params), expected)


@given(_RANGE, st.sampled_from(_GRIDS), st.floats(0, 1))
def test_zero_is_exact_and_no_value_inside_moves_more_than_a_step(bounds, grid, place):
    params = choose_params(*bounds, grid)
    zero = torch.zeros(())
    assert quantize(zero, params).item() == params.zero_point
    assert fake_quantize(zero, params).item() == 0
    value = torch.tensor(bounds[0] * (1 - place) + bounds[1] * place)
    moved = (dequantize(quantize(value, params), params) - value).abs()
    # half a step inside; at the ends the rounded zero point and the uneven middle of a symmetric grid take another half
    assert moved <= params.scale * (1 + 1e-4)


def test_the_integers_of_each_grid():
    assert (Grid().qmin, Grid().qmax) == (0, 255)
    assert (Grid(8, signed=True).qmin, Grid(8, signed=True).qmax) == (-128, 127)
    assert (Grid(8, signed=True, narrow=True).qmin, Grid(4, signed=True, narrow=True).qmin) == (-127, -7)
    assert quantize(torch.tensor([-9.0, 9.0]), choose_params(-1, 1, Grid(signed=True))).dtype == torch.int8
    assert quantize(torch.tensor([-9.0, 9.0]), choose_params(-1, 1, Grid())).tolist() == [0, 255]


def test_rounding_is_half_to_even():
    params = choose_params(0, 255, Grid())
    assert quantize(torch.tensor([0.5, 1.5, 2.5, 3.5]), params).tolist() == [0, 2, 2, 4]


def test_a_channel_of_zeros_stays_zeros():
    params = choose_params(torch.zeros(2), torch.tensor([0.0, 1.0]), Grid())
    assert params.scale[0] == 1
    assert torch.equal(fake_quantize(torch.zeros(2, 3), params), torch.zeros(2, 3))


def test_the_gradient_passes_inside_the_range_only():
    values = torch.tensor([-2.0, -0.7, 0.0, 0.3, 2.0], requires_grad=True)
    fake_quantize(values, choose_params(-1, 1, Grid(signed=True, symmetric=True))).sum().backward()
    assert values.grad is not None and values.grad.tolist() == [0, 1, 1, 1, 0]


@pytest.mark.parametrize("bits", [1, 9, 0, -4, 8.0, True])
def test_other_bits_are_refused(bits):
    with pytest.raises(QuantizationError, match="bits are a whole number from 2 to 8"):
        Grid(bits)


@pytest.mark.parametrize(
    "low, high, says",
    [
        (float("nan"), 1.0, "NaN or infinite"),
        (0.0, float("inf"), "NaN or infinite"),
        (1.0, 0.0, "low bound above"),
        (torch.zeros(2), torch.zeros(3), "two scalars or two"),
        (torch.zeros(2, 2), torch.zeros(2, 2), "two scalars or two"),
    ],
)
def test_ranges_that_are_none_are_refused(low, high, says):
    with pytest.raises(QuantizationError, match=says):
        choose_params(low, high, Grid())
    with pytest.raises(QuantizationError, match="narrow grid is signed"):
        Grid(narrow=True)
