import random

import pytest

from search import SPACES
from zoo import list_blocks

shipped = pytest.mark.parametrize("name", ["tiny", "mobile"])


@shipped
def test_a_mixed_space_has_the_blocks_that_the_survey_is_about(name):
    kinds = {kind for stage in SPACES.get(name).stages for kind in stage.kinds}
    assert kinds >= {
        "conv", "depthwise_separable", "fire", "ghost", "group_conv", "inverted_residual", "shuffle_v1", "shuffle_v2",
    }  # fmt: skip
    assert kinds <= set(list_blocks())


@shipped
def test_every_kind_fits_every_stage(name):
    space = SPACES.get(name)
    params = space.sample_params(random.Random(1))
    for index, stage in enumerate(space.stages):
        for kind in stage.kinds:
            for width in stage.widths:
                space.decode(params | {f"stage{index}_kind": kind, f"stage{index}_width": width})


@shipped
def test_the_parameters_are_those_of_stored_searches(name):
    space = SPACES.get(name)
    keys = ("kind", "depth", "width", "kernel", "expand", "se_ratio", "act")
    of_stages = [f"stage{index}_{key}" for index in range(len(space.stages)) for key in keys]
    assert list(space.parameters()) == ["resolution", "stem_width", *of_stages, "head_width"]
