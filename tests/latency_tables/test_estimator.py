import random

import numpy as np
import pytest

from latency_tables.estimator import Estimator
from latency_tables.kernels import spec_kernels
from latency_tables.observation import Observation


def _machine(kernel) -> float:
    """A made-up machine whose kernels cost what their work says."""
    return 0.01 + kernel.macs / 1e6 * 0.05 + kernel.out_elements / 1e5


def _observation(spec) -> Observation:
    kernels = [p.kernel for p in spec_kernels(spec, 10, 1)]
    return Observation(
        spec=spec,
        in_chans=1,
        num_classes=10,
        ms=1.0,
        reference_ms=1.0,
        cost=sum(map(_machine, kernels)),
        kernels={k.key: _machine(k) for k in kernels if k.op in ("conv", "linear")},
        rest=0.0,
        nodes=len(kernels),
    )


@pytest.fixture(scope="module")
def specs(tiny):
    rng = random.Random(0)
    return [tiny.sample(rng) for _ in range(60)]


def _errors(observations, specs):
    estimator = Estimator(observations)
    return [abs(estimator.cost(spec_kernels(spec, 10, 1)).value / _observation(spec).cost - 1) for spec in specs]


@pytest.mark.parametrize("profiled", [True, False])
def test_a_machine_that_is_a_sum_of_kernels_is_learned(specs, profiled):
    observations = [_observation(spec) for spec in specs[:50]]
    if not profiled:
        observations = [o.model_copy(update={"kernels": {}}) for o in observations]
    errors = _errors(observations, specs[50:])
    assert np.median(errors) < 0.02 and max(errors) < 0.1


def test_a_machine_with_a_law_of_its_own_is_learned_from_its_profile(specs):
    """Costs that no sum describes: channels count in blocks of 16."""

    def staircase(kernel):
        c = -(-kernel.in_shape[0] // 16) * -(-kernel.out_shape[0] // 16)
        return 0.01 + 0.002 * c * kernel.out_shape[1] * kernel.out_shape[2] ** 0.5

    observations = []
    for spec in specs[:50]:
        kernels = [p.kernel for p in spec_kernels(spec, 10, 1) if p.kernel.op in ("conv", "linear")]
        o = _observation(spec)
        costs = {k.key: staircase(k) for k in kernels}
        observations.append(o.model_copy(update={"kernels": costs, "cost": sum(map(staircase, kernels))}))
    estimator = Estimator(observations)
    errors = []
    for spec in specs[50:]:
        kernels = [p.kernel for p in spec_kernels(spec, 10, 1) if p.kernel.op in ("conv", "linear")]
        expected = sum(map(staircase, kernels))
        errors.append(abs(estimator.cost(spec_kernels(spec, 10, 1)).value / expected - 1))
    assert np.median(errors) < 0.05


def test_coverage_tells_measured_kernels_from_estimated_ones(specs):
    estimator = Estimator([_observation(spec) for spec in specs[:50]])
    assert estimator.cost(spec_kernels(specs[0], 10, 1)).coverage == pytest.approx(1.0)
    unseen = min(estimator.cost(spec_kernels(spec, 10, 1)).coverage for spec in specs[50:])
    assert unseen < 1.0
