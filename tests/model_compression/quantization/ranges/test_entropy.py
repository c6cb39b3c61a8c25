import numpy as np
import pytest
import torch
from onnxruntime.quantization.calibrate import HistogramCollector

from model_compression.errors import QuantizationError
from model_compression.quantization.affine import Grid, choose_params, fake_quantize
from model_compression.quantization.ranges import RANGES


@pytest.mark.parametrize("bins, levels", [(128, 128), (256, 64), (512, 128), (256, 15)])
@pytest.mark.parametrize("shape", ["normal", "relu", "heavy"])
def test_the_range_is_onnxruntimes(bins, levels, shape):
    random = np.random.default_rng(1)
    values = random.laplace(size=20_000) if shape == "heavy" else random.normal(size=20_000)
    values = (values.clip(0) if shape == "relu" else values).astype(np.float32)
    estimator = RANGES.get("entropy")(Grid(), bins=bins, levels=levels)
    estimator.observe(torch.from_numpy(values))
    theirs = HistogramCollector("entropy", False, bins, levels, None, "same")
    theirs.collect({"x": values})
    histogram = theirs.get_histogram_dict()["x"]
    if shape == "relu":  # the zeros stand out from their neighbours, where onnxruntime leaves them
        assert histogram[0][bins // 2] > 2 * histogram[0][bins // 2 + 1]
        histogram[0][bins // 2] = histogram[0][bins // 2 + 1]
    low, high = theirs.get_entropy_threshold(histogram, levels)
    assert [float(end) for end in estimator.range()] == pytest.approx([float(low), float(high)], rel=1e-5)


def test_outliers_are_cut():
    values = torch.from_numpy(np.random.default_rng(0).normal(size=50_000).astype(np.float32))
    values[0] = 60
    estimator = RANGES.get("entropy")(Grid())
    estimator.observe(values)
    low, high = estimator.range()
    assert high < 30 and low == values.min()


def test_the_zeros_after_a_relu_do_not_pull_the_range_in():
    values = torch.from_numpy(np.random.default_rng(0).normal(size=200_000).clip(0).astype(np.float32))
    estimator = RANGES.get("entropy")(Grid())
    estimator.observe(values)
    errors = [
        (fake_quantize(values, choose_params(*bounds, Grid())) - values).square().mean()
        for bounds in (estimator.range(), (0.0, values.max()))
    ]
    assert errors[0] < 2 * errors[1]


@pytest.mark.parametrize("bits, levels", [(8, 128), (4, 8)])
def test_the_levels_follow_the_bits(bits, levels):
    assert RANGES.get("entropy")(Grid(bits)).levels == levels


@pytest.mark.parametrize("levels", [1, 4096])
def test_levels_that_do_not_fit_are_refused(levels):
    with pytest.raises(QuantizationError, match="levels are from 2"):
        RANGES.get("entropy")(Grid(), levels=levels)
