import numpy as np
import pytest
import torch
from onnxruntime.quantization.calibrate import HistogramCollector

from model_compression.errors import QuantizationError
from model_compression.quantization.affine import Grid
from model_compression.quantization.ranges import RANGES


@pytest.mark.parametrize("percent", [50, 99, 99.9, 99.99, 99.999, 100])
@pytest.mark.parametrize("shape", ["normal", "relu", "shifted"])
@pytest.mark.parametrize("symmetric", [False, True])
def test_the_same_as_numpy_to_a_bin(percent, shape, symmetric):
    values = np.random.default_rng(0).normal(size=(4, 5000)).astype(np.float32)
    values = {"normal": values, "relu": values.clip(0), "shifted": values + 2}[shape]
    estimator = RANGES.get("percentile")(Grid(signed=symmetric, symmetric=symmetric), percent=percent)
    for batch in values:
        estimator.observe(torch.from_numpy(batch))
    low, high = (float(end) for end in estimator.range())
    bin_width = 2 * estimator.histogram.limit[0] / 2048
    if symmetric:
        assert low == -high
        values, wanted = np.abs(values), [(high, percent)]
    else:
        wanted = [(low, (100 - percent) / 2), (high, (100 + percent) / 2)]
    for end, part in wanted:
        # the value that has the part below it, whatever the last digit of the part
        nearest = np.percentile(values, np.clip([part - 1e-9, part + 1e-9], 0, 100), method="inverted_cdf")
        assert nearest[0] - 1.01 * bin_width <= end <= nearest[1] + 1.01 * bin_width
    if percent == 100 and not symmetric:
        assert (low, high) == (values.min(), values.max())


@pytest.mark.parametrize("percent", [99.0, 99.99, 99.999])
@pytest.mark.parametrize("symmetric", [False, True])
def test_the_same_as_onnxruntime_to_a_bin(percent, symmetric):
    values = np.random.default_rng(0).laplace(size=200_000).astype(np.float32)
    estimator = RANGES.get("percentile")(Grid(signed=symmetric, symmetric=symmetric), percent=percent)
    estimator.observe(torch.from_numpy(values))
    theirs = HistogramCollector("percentile", symmetric, 2048, None, percent, "same")
    theirs.collect({"x": values})
    low, high = theirs.compute_percentile()["x"][:2]
    bin_width = 2 * estimator.histogram.limit[0] / 2048
    assert [float(end) for end in estimator.range()] == pytest.approx([float(low), float(high)], abs=1.01 * bin_width)


@pytest.mark.parametrize("percent", [0, 101, float("nan")])
def test_percents_that_are_none_are_refused(percent):
    with pytest.raises(QuantizationError, match="a percentile is above 0"):
        RANGES.get("percentile")(Grid(), percent=percent)
