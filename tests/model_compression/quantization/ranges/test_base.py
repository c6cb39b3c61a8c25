import pytest
import torch

from model_compression.errors import QuantizationError
from model_compression.quantization.affine import Grid, choose_params, fake_quantize
from model_compression.quantization.ranges import RANGES
from zoo.errors import UnknownNameError


def test_the_names():
    assert RANGES.names() == ["aciq", "entropy", "min-max", "moving-average", "mse", "percentile"]
    with pytest.raises(UnknownNameError, match="did you mean 'min-max'"):
        RANGES.get("minmax")


@pytest.mark.parametrize("name", RANGES.names())
def test_bad_data_is_said_in_one_line(name):
    estimator = RANGES.get(name)(Grid(), axis=1)
    with pytest.raises(QuantizationError, match="no calibration data"):
        estimator.range()
    for bad in (float("nan"), float("inf"), -float("inf")):
        with pytest.raises(QuantizationError, match="NaN or infinity"):
            estimator.observe(torch.tensor([[0.0, bad]]))
    with pytest.raises(QuantizationError, match="holds no values"):
        estimator.observe(torch.zeros(0, 2))
    with pytest.raises(QuantizationError, match="has no axis 1"):
        estimator.observe(torch.zeros(3))
    estimator.observe(torch.ones(3, 2))
    with pytest.raises(QuantizationError, match="3 channels on axis 1, those before 2"):
        estimator.observe(torch.ones(3, 3))


@pytest.mark.parametrize("name", RANGES.names())
@pytest.mark.parametrize("symmetric", [False, True])
def test_channels_get_what_each_would_get_alone(name, symmetric):
    torch.manual_seed(0)
    grid = Grid(4, signed=symmetric, symmetric=symmetric)
    batches = [torch.randn(8, 3, 20) * torch.tensor([1.0, 5.0, 0.0])[:, None] + torch.tensor([0, 3.0, 0])[:, None]] * 2
    batches.append(batches[0] * 3)
    together = RANGES.get(name)(grid, axis=1)
    for batch in batches:
        together.observe(batch)
    low, high = together.range()
    assert low.shape == high.shape == (3,) and low.dtype == torch.float32
    assert (low <= high).all()
    for channel in range(3):
        alone = RANGES.get(name)(grid)
        for batch in batches:
            alone.observe(batch[:, channel])
        assert torch.allclose(torch.stack(alone.range()), torch.stack([low[channel], high[channel]]), rtol=1e-5)
    assert low[2] == high[2] == 0
    assert torch.isfinite(fake_quantize(batches[0], choose_params(low, high, grid, axis=1))).all()


@pytest.mark.parametrize("name", RANGES.names())
def test_a_batch_may_change_after_it_was_seen(name):
    torch.manual_seed(0)
    batch = torch.randn(200)
    estimator = RANGES.get(name)(Grid())
    estimator.observe(batch)
    before = estimator.range()
    batch.mul_(9)
    assert estimator.range() == before
