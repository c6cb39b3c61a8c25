import numpy as np
import pytest
import torch
from scipy import stats
from scipy.integrate import quad
from scipy.optimize import minimize_scalar

from model_compression.quantization.affine import Grid, choose_params, fake_quantize
from model_compression.quantization.ranges import RANGES
from model_compression.quantization.ranges.aciq import gaussian_clip, laplace_clip


def _numeric_clip(density, bits, one_sided=False):
    """Return the clip of least mean squared error: tails by quadrature, and step^2 / 12 within."""

    def error(clip):
        step = (1 if one_sided else 2) * clip / 2**bits
        tail = quad(lambda x: (x - clip) ** 2 * density(x), clip, 60)[0]
        return (1 if one_sided else 2) * (tail + step**2 / 12 * 0.5)

    return minimize_scalar(error, bounds=(0.1, 20), method="bounded", options={"xatol": 1e-7}).x


@pytest.mark.parametrize("bits", range(2, 9))
def test_the_formulas_are_the_minimisers_of_the_integral(bits):
    assert laplace_clip(bits) == pytest.approx(_numeric_clip(stats.laplace.pdf, bits), rel=1e-3)
    assert gaussian_clip(bits) == pytest.approx(_numeric_clip(stats.norm.pdf, bits), rel=1e-3)
    assert laplace_clip(bits + 1) == pytest.approx(_numeric_clip(stats.laplace.pdf, bits, True), rel=1e-3)
    assert gaussian_clip(bits + 1) == pytest.approx(_numeric_clip(stats.norm.pdf, bits, True), rel=1e-3)


@pytest.mark.parametrize("bits", [2, 3, 4])
@pytest.mark.parametrize("law", ["laplace", "norm"])
@pytest.mark.parametrize("kind", ["symmetric", "affine", "relu"])
def test_the_range_of_drawn_values(bits, law, kind):
    law = getattr(stats, law)
    centre = 5 if kind == "affine" else 0
    values = law.rvs(loc=centre, scale=2, size=200_000, random_state=np.random.default_rng(0)).astype(np.float32)
    values = values.clip(0) if kind == "relu" else values
    estimator = RANGES.get("aciq")(Grid(bits, signed=kind == "symmetric", symmetric=kind == "symmetric"))
    for batch in np.array_split(values, 4):
        estimator.observe(torch.from_numpy(batch))
    low, high = (float(end) for end in estimator.range())
    clip = 2 * _numeric_clip(law.pdf, bits, one_sided=kind == "relu")
    assert high == pytest.approx(centre + clip, rel=0.02)
    assert low == pytest.approx(0 if kind == "relu" else centre - clip, rel=0.02, abs=0.06)


@pytest.mark.parametrize("law", [torch.distributions.Laplace(0.0, 1.0), torch.distributions.Normal(0.0, 1.0)])
def test_four_bit_activations_keep_more_signal_than_with_min_max(law):
    torch.manual_seed(0)
    values, grid, errors = law.sample((100_000,)).relu(), Grid(4), {}
    for name in ("aciq", "min-max"):
        estimator = RANGES.get(name)(grid)
        estimator.observe(values)
        errors[name] = (fake_quantize(values, choose_params(*estimator.range(), grid)) - values).square().mean()
    assert errors["aciq"] < errors["min-max"]
