import pytest
import torch
from torch.ao.quantization.observer import MovingAverageMinMaxObserver, MovingAveragePerChannelMinMaxObserver

from model_compression.errors import QuantizationError
from model_compression.quantization.affine import Grid
from model_compression.quantization.ranges import RANGES


@pytest.mark.parametrize("axis", [None, 1])
def test_the_same_as_torchs_observer(axis):
    torch.manual_seed(0)
    ours = RANGES.get("moving-average")(Grid(), axis=axis, weight=0.1)
    if axis is None:
        theirs = MovingAverageMinMaxObserver(averaging_constant=0.1)
    else:
        theirs = MovingAveragePerChannelMinMaxObserver(averaging_constant=0.1, ch_axis=axis)
    for _ in range(10):
        batch = torch.randn(4, 3, 5)
        ours.observe(batch)
        theirs(batch)
    low, high = ours.range()
    assert torch.allclose(low, theirs.min_val) and torch.allclose(high, theirs.max_val)


@pytest.mark.parametrize("weight", [0, 1.5, -1, float("nan")])
def test_weights_that_are_none_are_refused(weight):
    with pytest.raises(QuantizationError, match="weight is above 0"):
        RANGES.get("moving-average")(Grid(), weight=weight)
