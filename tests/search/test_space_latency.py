import random

import numpy as np
import pytest

from search import SPACES, Space, Stage
from search.space_latency import SpaceLatency
from zoo import SpecError


def same_padded() -> Space:
    """A space of odd maps and strides, where the two ways of padding differ, with choices for each layer."""
    stage = Stage(
        kinds=("conv", "rep_ghost", "mobileone"),
        depths=(1, 3),
        widths=(16,),
        kernels=(3, 5),
        per_layer=("kind", "kernel"),
    )
    return Space(
        name="same",
        resolutions=(22, 31),
        stem_widths=(8,),
        after_stem=({"kind": "mobileone_conv", "out_chans": 8},),
        stages=(stage, stage),
        head_widths=(32,),
        head={"kind": "condense"},
        padding="same",
    )


@pytest.mark.parametrize("space", ["small", "same", *SPACES])
def test_it_predicts_what_the_table_predicts_for_the_decoded_network(space, small_space, small_table):
    chosen = {"small": small_space, "same": same_padded()}.get(space) or SPACES.get(space)
    latency, rng = SpaceLatency(chosen, small_table), random.Random(1)
    drawn = [chosen.sample_params(rng) for _ in range(12 if space in ("small", "same", "tiny") else 4)]
    expected = [small_table.predict_any(chosen.decode(params)).ms for params in drawn]
    np.testing.assert_allclose(latency.many(drawn), expected, rtol=1e-9)


def test_choices_for_layers_that_are_not_there_cost_no_look_up(small_table):
    space = same_padded()
    latency = SpaceLatency(space, small_table)
    params = space.sample_params(random.Random(0)) | {"stage0_depth": 1, "stage1_depth": 1}
    before = latency.ms(params)
    known = len(latency._predictor._pieces)
    assert latency.ms(params | {"stage0_layer2_kernel": 5, "stage1_layer1_kind": "mobileone"}) == before
    assert len(latency._predictor._pieces) == known


def test_in_other_spaces_it_is_infinite_where_there_is_no_network(small_table):
    space = SPACES.get("zoo")
    params = {"network": "shufflenet_v2_x0_5", "width": 1.0, "depth": 1.0, "dropped_strides": 2, "resolution": 64}
    latency = SpaceLatency(space, small_table)
    assert latency.ms(params) < latency.ms(params | {"resolution": 128}) < float("inf")
    with pytest.raises(SpecError):
        space.decode(params | {"dropped_strides": 3})
    assert latency.ms(params | {"dropped_strides": 3}) == float("inf")


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
