"""What holds for every shipped space."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search import SPACES
from search.spaces import Space, SpaceError, load_space
from zoo import SpecError, list_blocks

every_space = pytest.mark.parametrize("name", list(SPACES))
few = settings(max_examples=5, deadline=None, database=None, derandomize=True)


@every_space
def test_random_networks_can_be_built_of_the_kinds_that_the_space_names(name):
    space, rng = SPACES.get(name), random.Random(0)
    digests = set()
    for _ in range(12):
        spec = space.sample(rng)
        assert spec.resolution in space.resolutions
        assert {block.kind for block in spec.blocks} <= set(space.kinds) <= set(list_blocks())
        digests.add(spec.digest)
    assert len(digests) == 12


@every_space
@few
@given(seed=st.integers(0, 2**32))
def test_encoding_is_the_inverse_of_decoding(name, seed):
    space = SPACES.get(name)
    spec = space.sample(random.Random(seed))
    params = space.encode(spec)
    assert space.decode(params).digest == spec.digest
    choices = space.parameters()
    assert params.keys() == choices.keys()
    assert all(value in choices[key] for key, value in params.items())


@every_space
@few
@given(seed=st.integers(0, 2**32), changes=st.integers(1, 3))
def test_a_mutation_makes_another_network_with_few_choices_changed(name, seed, changes):
    space, rng = SPACES.get(name), random.Random(seed)
    params = space.sample_params(rng)
    mutant, choices = space.mutate(params, rng, changes), space.parameters()
    assert space.decode(mutant).digest != space.decode(params).digest
    changed = {key for key, value in mutant.items() if value != params[key]}
    assert 1 <= len(changed) <= changes
    assert all(mutant[key] in choices[key] for key in changed)


@every_space
@few
@given(seed=st.integers(0, 2**32))
def test_a_child_has_only_values_of_its_parents(name, seed):
    space, rng = SPACES.get(name), random.Random(seed)
    first, second = space.sample_params(rng), space.sample_params(rng)
    child = space.crossover(first, second, rng)
    assert child.keys() == space.parameters().keys()
    assert all(value in (first[key], second[key]) for key, value in child.items())
    space.decode(child)


@every_space
def test_equal_seeds_draw_equal_networks(name):
    space = SPACES.get(name)
    assert space.sample(random.Random(4)).digest == space.sample(random.Random(4)).digest


@every_space
def test_a_shipped_space_survives_json(name):
    space = SPACES.get(name)
    assert load_space(space.model_dump_json()) == space


def test_the_size_is_the_number_of_combinations():
    assert SPACES.get("nasbench201").size == 5**6
    choices = SPACES.get("tiny").parameters()
    product = 1
    for values in choices.values():
        product *= len(values)
    assert SPACES.get("tiny").size == product


def test_a_space_without_networks_says_so():
    space = Space.from_json(
        '{"name": "none", "resolutions": [32], "stem_widths": [8], "head_widths": [8],'
        ' "stages": [{"kinds": ["shuffle_v2"], "depths": [1], "widths": [8]}]}'
    )
    with pytest.raises(SpecError):
        space.decode({name: choices[0] for name, choices in space.parameters().items()})
    with pytest.raises(SpaceError, match="1,000 random choices"):
        space.sample(random.Random(0))
