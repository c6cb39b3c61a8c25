import random

import pytest
import torch

from search import SPACES
from search.supernet import SupernetError
from search.supernet.draws import probes
from search.supernet.positions import parts
from search.supernet.weights import crop, inherit, shared_weights


@pytest.mark.parametrize(
    "name", [name if name == "tiny" else pytest.param(name, marks=pytest.mark.slow) for name in SPACES]
)
def test_the_weights_of_any_network_fit_into_those_of_the_probes(name):
    space, largest = SPACES.get(name), {}

    def sizes(spec):
        for part in parts(spec, 10, 3):
            for path, size in part.sizes().items():
                yield part.key(path, size), size

    for spec in probes(space, random.Random(0)):
        for key, size in sizes(spec):
            largest[key] = tuple(map(max, size, largest.get(key, size)))
    rng = random.Random(5)
    for _ in range(60):
        for key, size in sizes(space.sample(rng)):
            assert all(wanted <= given for wanted, given in zip(size, largest[key], strict=True))


def test_a_crop_is_of_leading_channels_and_the_middle_of_the_kernel():
    weight = torch.arange(4 * 3 * 5 * 5).view(4, 3, 5, 5)
    assert torch.equal(crop(weight, (2, 1, 3, 1)), weight[:2, :1, 1:4, 2:3])
    assert crop(weight, weight.shape).data_ptr() == weight.data_ptr()
    assert torch.equal(crop(weight[:, 0, 0], (3, 2)), weight[:3, 0, 0, :2])


def test_equal_seeds_give_equal_weights_and_leave_the_global_generator_alone(small_space):
    state = torch.get_rng_state()
    first, again, other = (shared_weights(small_space, 10, 1, seed) for seed in (0, 0, 1))
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


def test_fresh_weights_are_like_those_of_a_new_network(small_space):
    weights = shared_weights(small_space, 10, 1, 0)
    spec = max((small_space.sample(random.Random(s)) for s in range(20)), key=lambda s: s.blocks[-2].out_chans)
    network, taken = spec.build(10, 1, seed=3), inherit(weights, spec, 10, 1)
    for name, fresh in network.named_parameters():
        if fresh.std(correction=0) == 0:
            assert torch.equal(taken[name], fresh)  # scales and shifts of batch norm, biases
        elif fresh.numel() > 500:
            assert taken[name].std().item() == pytest.approx(fresh.std().item(), rel=0.35)


def test_a_network_of_another_space_is_refused_in_one_line(small_space, tiny):
    weights = shared_weights(small_space, 10, 1, 0)
    with pytest.raises(SupernetError, match="another space") as caught:
        inherit(weights, tiny.sample(random.Random(0)), 10, 1)
    assert "\n" not in str(caught.value)
