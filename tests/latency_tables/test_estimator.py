import random

import numpy as np
import pytest

import zoo
from latency_tables.estimator import Estimator
from latency_tables.kernels import Kernel, Placed, spec_kernels, spec_parts
from latency_tables.observation import Observation, Profile
from latency_tables.validation import validate


def _machine(kernel) -> float:
    """A made-up machine whose kernels cost what their work says."""
    return 0.01 + kernel.macs / 1e6 * 0.05 + kernel.out_elements / 1e5


def _observation(spec, law=_machine) -> Observation:
    kernels = [p.kernel for p in spec_kernels(spec, 10, 1)]
    learned = {k.key: law(k) for k in kernels if k.has_weights}
    rest = sum(law(k) for k in kernels if not k.has_weights)
    cost = sum(map(law, kernels))
    profile = Profile(ms=cost, kernels=learned, rest=rest, nodes=len(kernels), executed=dict.fromkeys(learned, "Conv"))
    return Observation(
        spec=spec, in_chans=1, num_classes=10, ms=cost, reference_ms=1.0, cost=cost, low=cost, high=cost,
        samples=30, rejected=0, drawn=True, profile=profile,
    )  # fmt: skip


@pytest.fixture(scope="module")
def specs(tiny):
    rng = random.Random(0)
    return [tiny.sample(rng) for _ in range(60)]


def _errors(observations, specs):
    estimator = Estimator(observations)
    return [abs(estimator.cost(spec_kernels(spec, 10, 1)).value / _observation(spec).cost - 1) for spec in specs]


@pytest.mark.parametrize(("profiled", "worst"), [(True, 0.05), (False, 0.1)])
def test_a_machine_that_is_a_sum_of_kernels_is_learned(specs, profiled, worst):
    observations = [_observation(spec) for spec in specs[:50]]
    if not profiled:
        observations = [o.model_copy(update={"profile": None}) for o in observations]
    errors = _errors(observations, specs[50:])
    assert np.median(errors) < 0.02 and max(errors) < worst


def test_a_machine_with_a_law_of_its_own_is_learned_from_its_profile(specs):
    """Costs that no sum describes: channels count in blocks of 16."""

    def staircase(kernel):
        if not kernel.has_weights:
            return _machine(kernel)
        c = -(-kernel.in_shape[0] // 16) * -(-kernel.out_shape[0] // 16)
        return 0.01 + 0.002 * c * kernel.out_shape[1] * kernel.out_shape[2] ** 0.5

    observations = [_observation(spec, staircase) for spec in specs[:50]]
    assert validate(observations).weight > 0.8
    estimator = Estimator(observations, weight=1.0)
    errors = []
    for spec in specs[50:]:
        expected = sum(staircase(p.kernel) for p in spec_kernels(spec, 10, 1))
        errors.append(abs(estimator.cost(spec_kernels(spec, 10, 1)).value / expected - 1))
    assert np.median(errors) < 0.05


def test_measured_kernels_are_told_from_estimated_ones(specs):
    estimator = Estimator([_observation(spec) for spec in specs[:50]])
    first = estimator.cost(spec_kernels(specs[0], 10, 1))
    assert first.known == pytest.approx(first.value) and first.doubt == 0
    unseen = [estimator.cost(spec_kernels(spec, 10, 1)) for spec in specs[50:]]
    assert all(cost.known < cost.value and cost.doubt > 0 for cost in unseen)


def test_parts_add_up_to_the_network(specs):
    estimator = Estimator([_observation(spec) for spec in specs[:20]])
    parts = [estimator.part(part.kernels) for part in spec_parts(specs[30], 10, 1)]
    expected = estimator.cost(spec_kernels(specs[30], 10, 1))
    assert tuple(sum(parts, estimator.constant)) == pytest.approx(tuple(expected))


def test_an_operation_never_measured_is_doubted(specs):
    estimator = Estimator([_observation(spec) for spec in specs[:20]])
    cost = estimator.part([Placed("x", Kernel("fft", (8, 16, 16), (8, 16, 16)))])
    assert cost.value > 0 and cost.known == 0 and cost.doubt > 0


def test_a_class_of_convolution_never_measured_is_neither_free_nor_sure():
    def plain(width, depth):
        block = zoo.BlockSpec(kind="conv", out_chans=width)
        return zoo.ArchSpec(resolution=16, blocks=(block,) * depth)

    specs = [plain(width, depth) for width in (8, 16, 24, 32, 48) for depth in (1, 2, 3)]
    estimator = Estimator([_observation(spec) for spec in specs], weight=1.0)
    depthwise = Kernel("conv", (64, 8, 8), (64, 8, 8), sides=(3, 3), groups=64)
    cost = estimator.part([Placed("x", depthwise)])
    assert cost.value > 1e-4 and cost.known < cost.value and cost.doubt > 0.3 * cost.value


def test_a_profile_that_found_no_kernel_counts_as_none(specs):
    observations = [_observation(spec) for spec in specs[:12]]
    empty = [o.model_copy(update={"profile": o.profile.model_copy(update={"kernels": {}})}) for o in observations]
    assert Estimator(empty).kernels == {} and Estimator(empty).weight == 0.0
