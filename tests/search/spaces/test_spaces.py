import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search import SPACES, Space
from search.spaces.space import SpaceError
from zoo import SpecError, list_blocks


@pytest.mark.parametrize("name", list(SPACES))
def test_random_networks_of_a_shipped_space_can_be_built(name):
    space, rng = SPACES.get(name), random.Random(0)
    digests = set()
    for _ in range(25):
        spec = space.sample(rng)
        assert spec.resolution in space.resolutions
        digests.add(spec.digest)
    assert len(digests) == 25


@pytest.mark.parametrize("name", list(SPACES))
def test_a_shipped_space_mixes_the_blocks_that_the_survey_is_about(name):
    kinds = {kind for stage in SPACES.get(name).stages for kind in stage.kinds}
    assert kinds >= {
        "conv", "depthwise_separable", "fire", "ghost", "group_conv", "inverted_residual", "shuffle_v1", "shuffle_v2",
    }  # fmt: skip
    assert kinds <= set(list_blocks())


@pytest.mark.parametrize("name", list(SPACES))
def test_every_kind_fits_every_stage(name):
    space = SPACES.get(name)
    params = space.sample_params(random.Random(1))
    for index, stage in enumerate(space.stages):
        for kind in stage.kinds:
            for width in stage.widths:
                space.decode(params | {f"stage{index}_kind": kind, f"stage{index}_width": width})


def test_choices_arrive_in_the_network(tiny):
    params = tiny.sample_params(random.Random(2)) | {
        "resolution": 24,
        "stage1_kind": "inverted_residual",
        "stage1_depth": 3,
        "stage1_width": 80,
        "stage1_kernel": 5,
        "stage1_expand": 3.0,
        "stage1_se_ratio": 0.25,
        "stage1_act": "hard_swish",
    }
    spec = tiny.decode(params)
    blocks = [b for b in spec.blocks if b.kind == "inverted_residual" and b.out_chans == 80]
    assert spec.resolution == 24 and len(blocks) == 3
    assert [b.stride for b in blocks] == [2, 1, 1]
    assert dict(blocks[0].options) == {"kernel": 5, "expand": 3.0, "se_ratio": 0.25, "act": "hard_swish"}


def test_equal_seeds_draw_equal_networks(tiny):
    assert tiny.sample(random.Random(4)).digest == tiny.sample(random.Random(4)).digest


def test_spaces_survive_json(tiny):
    assert Space.from_json(tiny.model_dump_json()) == tiny


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=4), lambda c: st.lists(c) | st.dictionaries(st.text(max_size=6), c)
    )
)
def test_what_is_no_space_is_refused_in_one_line(value):
    with pytest.raises(SpaceError) as caught:
        Space.from_json(json.dumps(value))
    assert "\n" not in str(caught.value)


def test_a_space_without_networks_says_so():
    space = Space.from_json(
        '{"name": "none", "resolutions": [32], "stem_widths": [8], "head_widths": [8],'
        ' "stages": [{"kinds": ["shuffle_v2"], "depths": [1], "widths": [8]}]}'
    )
    with pytest.raises(SpecError):
        space.decode({name: choices[0] for name, choices in space.parameters().items()})
    with pytest.raises(SpaceError, match="1,000 random choices"):
        space.sample(random.Random(0))
