import random

import pytest

from latency_tables.kernels import spec_kernels
from latency_tables.observation import Observation, Profile
from latency_tables.profiles import share_costs, share_out
from latency_tables.runtimes import NodeTime


def _observation(spec, overhead_ms: float, scale: float = 1.0) -> Observation:
    """A network on a made-up machine: kernels cost their multiply-adds, the profiler adds `overhead_ms` to a node."""
    placed = [p for p in spec_kernels(spec, 10, 1) if p.kernel.has_weights]
    true = {p.kernel.key: 0.001 + p.kernel.macs / 1e8 for p in placed}
    rest_nodes, rest = 7, 0.02
    ms = sum(true[p.kernel.key] for p in placed) + rest
    profile = Profile(
        ms=ms * scale,
        kernels={key: (value + overhead_ms) * scale for key, value in true.items()},
        rest=(rest + rest_nodes * overhead_ms) * scale,
        nodes=len(placed) + rest_nodes,
        executed=dict.fromkeys(true, "Conv"),
    )
    return Observation(
        spec=spec, in_chans=1, num_classes=10, ms=ms, reference_ms=0.5, cost=ms / 0.5, low=ms / 0.5, high=ms / 0.5,
        samples=9, rejected=0, drawn=True, profile=profile,
    )  # fmt: skip


@pytest.fixture(scope="module")
def specs(tiny):
    rng = random.Random(0)
    return [tiny.sample(rng) for _ in range(12)]


@pytest.mark.parametrize("overhead_ms", [0.0, 0.002])
def test_the_profilers_own_time_is_found_and_taken_off(specs, overhead_ms):
    observations = [_observation(spec, overhead_ms) for spec in specs]
    for observation, share in zip(observations, share_costs(observations), strict=True):
        assert share
        for placed in spec_kernels(observation.spec, 10, 1):
            if placed.kernel.has_weights:
                true = (0.001 + placed.kernel.macs / 1e8) / 0.5
                assert share.kernels[placed.kernel.key] == pytest.approx(true, rel=0.02)
        assert share.rest == pytest.approx(0.02 / 0.5, rel=0.05)


def test_shares_add_up_to_the_measured_cost_even_if_the_machine_was_slow_meanwhile(specs):
    observations = [_observation(spec, 0.002, scale=1 + 0.5 * (i % 2)) for i, spec in enumerate(specs)]
    for observation, share in zip(observations, share_costs(observations), strict=True):
        assert share
        keys = [p.kernel.key for p in spec_kernels(observation.spec, 10, 1) if p.kernel.has_weights]
        assert sum(share.kernels[key] for key in keys) + share.rest == pytest.approx(observation.cost)


def test_a_network_without_a_profile_has_no_shares(specs):
    observations = [_observation(spec, 0.0) for spec in specs]
    observations[3] = observations[3].model_copy(update={"profile": None})
    assert [share is None for share in share_costs(observations)] == [i == 3 for i in range(12)]


def test_a_profile_of_other_kernels_than_the_network_has_is_no_profile(specs):
    observations = [_observation(spec, 0.0) for spec in specs]
    told = observations[3].profile.model_copy(update={"kernels": observations[4].profile.kernels})
    observations[3] = observations[3].model_copy(update={"profile": told})
    assert [share is None for share in share_costs(observations)] == [i == 3 for i in range(12)]


def test_nodes_without_a_convolution_are_the_rest(specs):
    placed = spec_kernels(specs[0], 10, 1)
    first = next(p for p in placed if p.kernel.has_weights)
    nodes = [
        NodeTime("Conv", "Conv nchwc", first.module, (), (), 2.0),
        NodeTime("ReorderOutput", "ReorderOutput", "", (), (), 0.5),
        NodeTime("Conv", "Conv", "no.such.module", (), (), 0.25),
    ]
    profile = share_out(nodes, placed, 2.5)
    assert profile.kernels == {first.kernel.key: 2.0} and profile.executed == {first.kernel.key: "Conv nchwc"}
    assert (profile.rest, profile.nodes) == (0.75, 3)
