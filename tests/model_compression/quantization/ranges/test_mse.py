import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import minimize_scalar

from model_compression.quantization.affine import Grid, choose_params, fake_quantize
from model_compression.quantization.ranges import RANGES
from model_compression.quantization.ranges import mse as mse_module


def _error(values, bounds, grid, axis=None):
    quantized = fake_quantize(values, choose_params(*bounds, grid, axis=axis or 0))
    return (quantized - values).double().square().sum(dim=None if axis is None else tuple(range(1, values.ndim)))


@settings(max_examples=40, deadline=None)
@given(
    hnp.arrays(np.float32, (2, 30), elements=st.floats(-100, 100, width=32)),
    st.integers(2, 8),
    st.sampled_from([{}, {"signed": True, "symmetric": True, "narrow": True}]),
)
def test_never_worse_than_min_max(values, bits, kind):
    values, grid = torch.from_numpy(values), Grid(bits, **kind)
    for axis in (None, 0):
        best, whole = (RANGES.get(name)(grid, axis=axis) for name in ("mse", "min-max"))
        best.observe(values)
        whole.observe(values)
        assert (_error(values, best.range(), grid, axis) <= _error(values, whole.range(), grid, axis) + 1e-12).all()


@pytest.mark.parametrize("bits", [2, 3, 4, 6, 8])
@pytest.mark.parametrize("exact", [True, False])
def test_the_clip_is_scipys(bits, exact, monkeypatch):
    """One free end: scipy looks for the least error of the very values by itself, rounding written out anew."""
    if not exact:
        monkeypatch.setattr(mse_module, "_EXACT_VALUES", 0)
    values = np.random.default_rng(bits).laplace(size=30_000).astype(np.float32)
    most = 2 ** (bits - 1) - 1

    def error(clip):
        step = clip / most
        return float(((np.clip(np.round(values / step), -most, most) * step - values) ** 2).sum())

    grid = np.linspace(0.02, 1, 50) * np.abs(values).max()
    near = grid[np.argmin([error(clip) for clip in grid])]
    best = minimize_scalar(error, bounds=(near * 0.9, near * 1.1), method="bounded").fun
    estimator = RANGES.get("mse")(Grid(bits, signed=True, symmetric=True, narrow=True))
    for batch in np.array_split(values, 3):
        estimator.observe(torch.from_numpy(batch))
    low, high = estimator.range()
    assert error(max(-float(low), float(high))) <= best * (1.02 if exact else 1.05)


@pytest.mark.parametrize("bits", [4, 8])
def test_many_values_are_judged_by_a_histogram_and_hardly_worse(bits):
    torch.manual_seed(0)
    values, grid, errors = torch.randn(2**20), Grid(bits), {}
    for name in ("mse", "min-max", "percentile"):
        estimator = RANGES.get(name)(grid)
        estimator.observe(values)
        errors[name] = float(_error(values, estimator.range(), grid))
    assert errors["mse"] <= 1.01 * min(errors.values())


def test_one_outlier_does_not_make_the_steps_coarse():
    torch.manual_seed(0)
    values = torch.randn(10_000).relu()
    values[0] = 30
    grid = Grid(4)
    estimator = RANGES.get("mse")(grid)
    estimator.observe(values)
    assert _error(values, estimator.range(), grid) < 0.5 * _error(values, (0.0, 30.0), grid)
