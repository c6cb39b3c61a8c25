import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, Matern

from search.gaussian_process import fit_gaussian_process

JITTER = 1e-6


def data(count=25, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, (count, 1))
    return x, np.sin(2 * x[:, 0]) + 0.5 * x[:, 0] + 0.1 * rng.standard_normal(count)


def by_sklearn(log_parameters):
    """In one dimension the Manhattan distance is the Euclidean one, and s exp(-d / l) is Matérn's with nu = 1/2."""
    s, l, w, noise = np.exp(log_parameters)
    kernel = ConstantKernel(s) * Matern(l, nu=0.5) + ConstantKernel(w) * DotProduct(sigma_0=0)
    return GaussianProcessRegressor(kernel, alpha=noise + JITTER, optimizer=None)


def test_predictions_are_those_of_sklearn():
    x, y = data()
    process = fit_gaussian_process([x], y)
    targets = (y - y.mean()) / y.std()
    other = by_sklearn(process.log_parameters).fit(x, targets)
    new = np.linspace(-3, 3, 40)[:, None]
    mean, std = process.predict([new])
    their_mean, their_std = other.predict(new, return_std=True)
    assert mean == pytest.approx(y.mean() + y.std() * their_mean, abs=1e-6)
    assert std == pytest.approx(y.std() * np.maximum(their_std, np.sqrt(JITTER)), abs=1e-5)


def test_the_parameters_are_the_most_probable_ones():
    x, y = data()
    found = fit_gaussian_process([x], y).log_parameters
    targets = (y - y.mean()) / y.std()
    apart = np.abs(x - x.T)
    typical = np.log([0.4, np.median(apart[apart > 0]), 0.4, 0.05])

    def log_posterior(log_parameters):
        other = by_sklearn(log_parameters).fit(x, targets)
        return other.log_marginal_likelihood_value_ - 0.5 * np.sum((log_parameters - typical) ** 2)

    best = log_posterior(found)
    for index in range(len(found)):
        for step in (-0.2, 0.2):
            assert log_posterior(found + step * np.eye(len(found))[index]) < best


def test_groups_add_up():
    rng = np.random.default_rng(1)
    first, second = rng.integers(0, 2, (60, 4)).astype(float), rng.standard_normal((60, 2))
    values = first @ [1, -1, 2, 0] + second[:, 0]
    process = fit_gaussian_process([first[:40], second[:40]], values[:40])
    mean, std = process.predict([first[40:], second[40:]])
    assert np.corrcoef(mean, values[40:])[0, 1] > 0.95
    assert np.mean(np.abs(mean - values[40:]) < 2 * std) > 0.8


@pytest.mark.parametrize("values", [[0.5, 0.5], [0.3, 0.3, 0.3], [0.1, 0.9]])
def test_few_or_equal_values_are_no_trouble(values):
    x = np.zeros((len(values), 1))
    mean, std = fit_gaussian_process([x], np.array(values)).predict([np.array([[0.0], [5.0]])])
    assert np.all(np.isfinite(mean)) and np.all(std > 0)
    assert mean[0] == pytest.approx(np.mean(values), abs=0.05)
