import random

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


def test_a_machine_that_is_a_sum_of_kernels_is_learned(specs):
    estimator = Estimator([_observation(spec) for spec in specs[:50]])
    for spec in specs[50:]:
        assert estimator.cost(spec_kernels(spec, 10, 1)).value == pytest.approx(_observation(spec).cost, rel=0.03)


def test_without_a_profile_the_structure_alone_is_enough(specs):
    observations = [_observation(spec).model_copy(update={"kernels": {}}) for spec in specs]
    estimator = Estimator(observations[:50])
    for spec in specs[50:]:
        assert estimator.cost(spec_kernels(spec, 10, 1)).value == pytest.approx(_observation(spec).cost, rel=0.05)


def test_coverage_tells_measured_kernels_from_estimated_ones(specs):
    estimator = Estimator([_observation(spec) for spec in specs[:50]])
    assert estimator.cost(spec_kernels(specs[0], 10, 1)).coverage == pytest.approx(1.0)
    unseen = min(estimator.cost(spec_kernels(spec, 10, 1)).coverage for spec in specs[50:])
    assert unseen < 1.0
