import random

import numpy as np
import pytest

from search import SPACES
from search.space_latency import SpaceLatency
from zoo import SpecError


@pytest.mark.parametrize("space", ["small", "tiny", "mobile"])
def test_it_predicts_what_the_table_predicts_for_the_decoded_network(space, small_space, small_table):
    chosen = small_space if space == "small" else SPACES.get(space)
    latency, rng = SpaceLatency(chosen, small_table), random.Random(1)
    drawn = [chosen.sample_params(rng) for _ in range(15)]
    expected = [small_table.predict_any(chosen.decode(params)).ms for params in drawn]
    np.testing.assert_allclose(latency.many(drawn), expected, rtol=1e-9)


def test_it_is_infinite_exactly_where_there_is_no_network(small_space, small_table):
    latency, rng = SpaceLatency(small_space, small_table), random.Random(2)
    parameters = small_space.parameters() | {"stage0_width": (7, 16), "stage1_width": (31, 40)}
    refused = 0
    for _ in range(40):
        params = {name: rng.choice(values) for name, values in parameters.items()}
        try:
            small_space.decode(params)
        except SpecError:
            refused += 1
            assert latency.ms(params) == float("inf")
        else:
            assert latency.ms(params) < float("inf")
    assert 0 < refused < 40
