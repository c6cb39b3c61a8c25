import random

import pytest

from search import Space, Stage
from search.spaces import SpaceError
from zoo import ArchSpec, BlockSpec, get_spec

CONV = Stage(kinds=("conv", "shuffle_v2", "ghost"), depths=(1, 2, 3), widths=(16, 24), kernels=(3, 5))


def space_of(*stages: Stage, **fields) -> Space:
    given = {"name": "s", "resolutions": (32,), "stem_widths": (8,), "head_widths": (32,), **fields}
    return Space(stages=stages, **given)


def test_where_a_kind_lacks_an_option_the_first_choice_stands_for_all(tiny):
    params = tiny.sample_params(random.Random(3)) | {"stage1_kind": "shuffle_v1", "stage1_depth": 1}
    encoded = tiny.encode(tiny.decode(params | {"stage1_expand": 4.0, "stage1_se_ratio": 0.25}))
    assert (encoded["stage1_expand"], encoded["stage1_se_ratio"]) == (2.0, 0.0)
    assert {**encoded, "stage1_expand": 0, "stage1_se_ratio": 0} == {
        **encoded, **{k: v for k, v in params.items() if k.startswith("stage1_")},
        "stage1_expand": 0, "stage1_se_ratio": 0,
    }  # fmt: skip


@pytest.mark.parametrize("depths", [(1, 1, 1), (1, 3, 2), (3, 1, 3), (2, 2, 2)])
def test_stages_are_told_apart_even_where_nothing_marks_their_border(depths):
    stage = CONV.model_copy(update={"stride": 1, "kinds": ("conv",), "widths": (16,)})
    longest = stage.model_copy(update={"depths": (1, 2, 3)})
    space = space_of(stage, longest, longest, fixed={"conv": {"residual": True}})
    params = {name: values[0] for name, values in space.parameters().items()}
    params |= {f"stage{index}_depth": depth for index, depth in enumerate(depths)}
    params["stage2_kernel"] = 5
    spec = space.decode(params)
    assert space.decode(space.encode(spec)).digest == spec.digest


@pytest.mark.parametrize("seed", range(5))
def test_choices_for_each_layer_and_groups_are_found(seed):
    stage = CONV.model_copy(
        update={
            "kinds": ("conv", "ghost", "igc_v3"),
            "groups": (1, 2, 4),
            "expands": (2.0, 3.0),
            "per_layer": ("kind", "kernel", "expand", "act", "groups"),
            "acts": ("relu", "silu"),
        }
    )
    space = space_of(stage, stage, stem_act="relu", last_act="silu")
    spec = space.sample(random.Random(seed))
    assert space.decode(space.encode(spec)).digest == spec.digest


SPACE = space_of(CONV, CONV.model_copy(update={"acts": ("silu",)}), fixed={"ghost": {"se_ratio": 0.25}})
GOOD = (
    {"kind": "conv", "out_chans": 8},
    {"kind": "conv", "out_chans": 16, "stride": 2},
    {"kind": "conv", "out_chans": 16},
    {"kind": "ghost", "out_chans": 24, "stride": 2, "options": {"act": "silu", "expand": 4.0, "se_ratio": 0.25}},
    {"kind": "conv", "out_chans": 32, "options": {"kernel": 1, "act": "silu"}},
)


def test_a_network_written_by_hand_is_found():
    found = SPACE.encode(ArchSpec(resolution=32, blocks=GOOD))
    assert found["stage0_depth"] == 2 and found["stage1_kind"] == "ghost" and found["stage1_act"] == "silu"


@pytest.mark.parametrize(
    ("index", "change", "reason"),
    [
        (0, {"out_chans": 9}, "9 is not a choice of stem_width here, which are 8"),
        (0, {"options": {"act": "silu"}}, "silu is not a choice of stage0_act"),
        (0, {"kind": "depthwise_separable"}, "depthwise_separable instead of conv"),
        (0, {"stride": 2}, '"stride":2'),
        (1, {"kind": "fire", "options": {"norm": True}}, "fire is not a choice of stage0_kind here"),
        (1, {"out_chans": 20}, "20 is not a choice of stage0_width"),
        (2, {"options": {"kernel": 5}}, "5 is not a choice of stage0_kernel here, which are 3"),
        (2, {"options": {"residual": True}}, '"residual":true'),
        (
            3,
            {"options": {"expand": 4.0, "se_ratio": 0.25}},
            "the default is not a choice of stage1_act here, which are silu",
        ),
        (3, {"stride": 1}, "24 is not a choice of stage0_width"),
        (3, {"stride": 3}, "stride 3 instead of"),
        (4, {"out_chans": 40}, "40 is not a choice of head_width"),
    ],
)
def test_a_block_that_does_not_fit_is_named_in_one_line(index, change, reason):
    blocks = list(GOOD)
    blocks[index] = {**blocks[index], **change}
    with pytest.raises(SpaceError) as caught:
        SPACE.encode(ArchSpec(resolution=32, blocks=blocks))
    text = str(caught.value)
    assert text.startswith(f"not in space 's': blocks[{index}]: ") and reason in text and "\n" not in text


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"resolution": 64}, "resolution 64 is not a choice"),
        ({"head": {"kind": "conv"}}, "head"),
        ({"bn_eps": 1e-3}, "bn_eps 0.001 instead of 1e-05"),
        ({"init": "xavier"}, "init xavier"),
        ({"blocks": GOOD[:3]}, "3 blocks are too few"),
        ({"blocks": (*GOOD[:4], {"kind": "conv", "out_chans": 24, "options": {"act": "silu"}}, GOOD[4])}, "blocks[4]"),
    ],
)
def test_what_else_does_not_fit_is_named_too(fields, reason):
    spec = ArchSpec(**{"resolution": 32, "blocks": GOOD, **fields})
    with pytest.raises(SpaceError) as caught:
        SPACE.encode(spec)
    assert reason in str(caught.value) and "\n" not in str(caught.value)


def test_a_published_network_encodes_in_a_space_that_is_made_for_it():
    rows = ((16, 1, 1, 1.0), (24, 2, 2, 6.0), (32, 3, 2, 6.0), (64, 4, 2, 6.0), (96, 3, 1, 6.0), (160, 3, 2, 6.0),
            (320, 1, 1, 6.0))  # fmt: skip
    published = get_spec("mobilenetv2_100")
    stages = tuple(
        Stage(
            kinds=("inverted_residual",), depths=(1, 2, 3, 4), widths=(width, width + 8), kernels=(3, 5),
            expands=(1.0, 6.0), acts=("relu6",), stride=stride,
        )
        for width, _, stride, _ in rows
    )  # fmt: skip
    space = Space(
        name="v2", resolutions=(224,), stem_widths=(32,), stem_stride=2, stages=stages, head_widths=(1280,),
        head=published.head,
    )  # fmt: skip
    params = space.encode(published)
    assert [params[f"stage{index}_depth"] for index in range(7)] == [depth for _, depth, _, _ in rows]
    assert [params[f"stage{index}_expand"] for index in range(7)] == [expand for *_, expand in rows]
    assert isinstance(published.blocks[0], BlockSpec) and space.decode(params).digest == published.digest
