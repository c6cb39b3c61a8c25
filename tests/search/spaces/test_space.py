import random

import pytest

from search import Space, Stage
from search.spaces import SpaceError
from zoo import BlockSpec, HeadSpec, SpecError


def space_of(*stages: Stage, **fields) -> Space:
    given = {"name": "s", "resolutions": (32,), "stem_widths": (8,), "head_widths": (32,), **fields}
    return Space(stages=stages, **given)


PER_LAYER = Stage(
    kinds=("conv", "ghost", "igc_v3"),
    depths=(1, 3),
    widths=(16,),
    kernels=(3, 5),
    groups=(2, 4),
    per_layer=("kind", "kernel", "groups"),
)


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


def test_what_is_chosen_per_layer_has_a_parameter_for_each_layer_of_the_deepest_stage():
    names = list(space_of(PER_LAYER).parameters())
    assert names[2:] == [
        "stage0_depth", "stage0_width", "stage0_expand", "stage0_se_ratio", "stage0_act",
        "stage0_layer0_kind", "stage0_layer0_kernel", "stage0_layer0_groups",
        "stage0_layer1_kind", "stage0_layer1_kernel", "stage0_layer1_groups",
        "stage0_layer2_kind", "stage0_layer2_kernel", "stage0_layer2_groups",
        "head_width",
    ]  # fmt: skip


def test_layers_get_their_own_choices_and_only_options_that_their_kind_has():
    space = space_of(PER_LAYER)
    params = {name: values[0] for name, values in space.parameters().items()} | {
        "stage0_depth": 3,
        "stage0_layer1_kind": "ghost",
        "stage0_layer1_kernel": 5,
        "stage0_layer2_kind": "igc_v3",
        "stage0_layer2_groups": 4,
    }
    stage = space.decode(params).blocks[1:-1]
    assert [block.kind for block in stage] == ["conv", "ghost", "igc_v3"]
    assert [block.stride for block in stage] == [2, 1, 1]
    assert [dict(block.options).get("groups") for block in stage] == [2, None, 4]
    assert [dict(block.options).get("kernel", 3) for block in stage] == [3, 5, 3]


def test_a_space_decides_what_stands_around_its_stages():
    after = BlockSpec(kind="depthwise_separable", out_chans=12)
    head = HeadSpec(options={"hidden": 40})
    stage = Stage(kinds=("conv",), depths=(1,), widths=(16,), acts=("relu", "silu"), per_layer=("act",))
    space = space_of(
        stage, stem_act="gelu", last_act="silu", after_stem=(after,), head=head, bn_eps=1e-3, bn_momentum=0.01,
        padding="same", init="xavier",
    )  # fmt: skip
    spec = space.sample(random.Random(0))
    assert dict(spec.blocks[0].options)["act"] == "gelu" and spec.blocks[1] == after
    assert dict(spec.blocks[-1].options)["act"] == "silu"
    assert (spec.head, spec.bn_eps, spec.bn_momentum, spec.padding, spec.init) == (head, 1e-3, 0.01, "same", "xavier")
    assert Space.from_json(space.model_dump_json()) == space


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"kinds": ("gost",)}, "'ghost'"),
        ({"kinds": ("conv", "conv")}, "there twice"),
        ({"kinds": ()}, "kinds"),
        ({"depths": (10**9,)}, r"depths\[0\]"),
        ({"depths": (0,)}, r"depths\[0\]"),
        ({"widths": tuple(range(1, 100))}, "widths"),
        ({"widths": ("16",)}, r"widths\[0\]"),
        ({"expands": (float("nan"),)}, r"expands\[0\]"),
        ({"acts": ("tanh",)}, r"acts\[0\]"),
        ({"per_layer": ("groups",)}, "per_layer names 'groups'"),
        ({"per_layer": ("width",)}, "per_layer"),
        ({"stride": 9}, "stride"),
        ({"strides": 2}, "strides"),
    ],
)
def test_a_stage_that_makes_no_sense_is_refused_in_one_line(fields, reason):
    stage = {"kinds": ("conv",), "depths": (1,), "widths": (8,), **fields}
    with pytest.raises(SpecError, match=reason):
        Stage(**stage)
    with pytest.raises(SpaceError, match=rf"^space: stages\[1\].*{reason}") as caught:
        space_of(Stage(kinds=("conv",), depths=(1,), widths=(8,)), stage)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"name": "Big Space"}, "name"),
        ({"fixed": {"conv": {"kernl": 3}}}, "kernl"),
        ({"fixed": {"gost": {}}}, "'ghost'"),
        ({"head": {"kind": "liner"}}, "'linear'"),
        ({"head": {"kind": "segment"}}, "is of classifiers"),
        ({"after_stem": ({"kind": "conv"},)}, r"after_stem\[0\].*out_chans"),
        ({"resolutions": (32, 32)}, "there twice"),
        ({"self": 1}, "self"),
    ],
)
def test_a_space_that_makes_no_sense_is_refused_in_one_line(fields, reason):
    with pytest.raises(SpaceError, match=f"^space: .*{reason}") as caught:
        space_of(Stage(kinds=("conv",), depths=(1,), widths=(8,)), **fields)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("missing", ["stem_act", "last_act"])
def test_the_convolutions_beside_a_stage_with_an_act_for_each_layer_need_their_own(missing):
    acts = {"stem_act": "relu", "last_act": "relu"}
    stage = Stage(kinds=("conv",), depths=(1,), widths=(8,), per_layer=("act",))
    del acts[missing]
    with pytest.raises(SpaceError, match=f"{missing} must be given"):
        space_of(stage, **acts)
