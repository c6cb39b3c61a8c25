import pytest
import torch
from torch import nn

import zoo
from zoo.block_spec import with_option
from zoo.blocks.fbnet import FBNetBlock
from zoo.features import feature_points
from zoo.models.fbnetv2 import fbnetv2
from zoo.timm_import import timm


def test_with_timms_weights_fbnet_c_is_timms(scramble):
    """Two differences are the definition's: no expansion by 1, and a bias before batch norm, which moves its mean."""
    images = torch.randn(2, 3, 224, 224)
    reference = timm.create_model("fbnetc_100")
    for block in reference.modules():
        if hasattr(block, "conv_pwl") and block.conv_pw.in_channels == block.conv_pw.out_channels:
            block.conv_pw = block.bn1 = nn.Identity()
    scramble(reference, images)
    ours = zoo.create_model("fbnetc_100").eval()
    state = ours.state_dict()
    biases = [name for name in state if name.endswith("conv.bias")]
    given = reference.state_dict().values()
    state.update(zip([name for name in state if name not in biases], given, strict=True))
    for name in biases:
        state[name] = torch.randn_like(state[name])
        mean = name.replace("conv.bias", "norm.running_mean")
        state[mean] = state[mean] + state[name]
    ours.load_state_dict(state)
    assert len(biases) == sum(isinstance(layer, nn.Conv2d) for layer in ours.modules())
    with torch.no_grad():
        expected, got = reference(images), ours(images)
    assert expected.std(0).mean() > 1e-2
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("name", "resolution"), [("fbnetv3_d", 96), ("fbnetv3_g", 64)])
def test_with_timms_weights_the_scores_are_timms(name, resolution, assert_same_function):
    assert_same_function(timm.create_model(name), zoo.create_model(name), torch.randn(2, 3, resolution, resolution))


def test_without_its_own_padding_fbnetv3_b_is_timms(assert_same_function):
    spec = zoo.get_spec("fbnetv3_b")
    blocks = tuple(with_option(b, padding=None) if b.kind == "fbnet" else b for b in spec.blocks)
    padded = zoo.ArchSpec(resolution=spec.resolution, blocks=blocks, head=spec.head, init=spec.init)
    images = torch.randn(2, 3, 96, 96)
    assert_same_function(timm.create_model("fbnetv3_b"), padded.build(), images)
    assert padded.shapes[-1][1:] == (8, 8)
    assert spec.shapes[-1][1:] == (7, 7)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("fbnetv3_a", 6),  # 28 -> 13 (5x5, padding 1) -> 6 (3x3, padding 0)
        ("fbnetv3_b", 7),  # 31 -> 15 -> 7
        ("fbnetv3_c", 7),  # 31 -> 15 -> 7, both 5x5 with padding 1
        ("fbnetv3_d", 8),
        ("fbnetv3_e", 8),  # 33 -> 16 -> 8: only the first shrinks more
        ("fbnetv3_f", 8),  # 34 -> 17 -> 8: only the second does
        ("fbnetv3_g", 10),
        ("fbnetv3_a0", 7),
    ],
)
def test_the_last_map_is_as_small_as_the_authors(name, size):
    assert zoo.get_spec(name).shapes[-1][1:] == (size, size)


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("fbnetv2_f1", 5_999_408),
        ("fbnetv2_f2", 5_999_408),
        ("fbnetv2_f3", 6_899_504),
        ("fbnetv2_f4", 6_994_824),
        ("fbnetv2_l1", 8_496_520),
        ("fbnetv2_l2", 8_496_520),
        ("fbnetv2_l3", 9_394_060),
        ("fbnetv3_a", 8_542_224),
        ("fbnetv3_b", 8_542_224),
        ("fbnetv3_c", 9_907_136),
        ("fbnetv3_d", 10_237_552),
        ("fbnetv3_e", 10_699_464),
        ("fbnetv3_f", 13_803_072),
        ("fbnetv3_g", 16_513_648),
    ],
)
def test_weights_without_norms_and_biases_are_what_the_authors_counted(name, weights):
    """`params_m` in the model list of their repository, to the last weight."""
    with torch.device("meta"):
        network = zoo.create_model(name)
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    assert sum(layer.weight.numel() for layer in layers) == weights


def test_the_arch_files_note_on_l3_is_for_rounding_to_eight():
    with torch.device("meta"):
        network = fbnetv2("l3", 24, resolution=288).build()
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    assert sum(layer.weight.numel() for layer in layers) == 9_402_096


def test_group_convolutions_stand_only_where_fbnet_a_has_no_expansion():
    options = [dict(block.options) for block in zoo.get_spec("fbneta_100").blocks]
    assert [given["expand"] for given in options if given.get("groups") == 2] == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("name", "starts_at_zero"),
    [("fbnet_96", False), ("fbnetv2_f1", True), ("fbnetv2_l3", False), ("fbnetv3_a0", True)],
)
def test_the_branches_of_v2_and_v3_start_at_zero_but_not_those_of_l3(name, starts_at_zero):
    blocks = [block for block in zoo.create_model(name, seed=0).blocks if isinstance(block, FBNetBlock)]
    starts = [bool(block.project.norm.weight.eq(0).all()) for block in blocks]
    assert starts == [starts_at_zero and block.residual for block in blocks]


@pytest.mark.parametrize(
    ("name", "chans"),
    [
        ("fbneta_100", [16, 24, 32, 112, 352]),
        ("fbnetv2_f1", [8, 24, 24, 80, 224]),  # the last skip widens, it is part of the trunk
        ("fbnetv3_d", [16, 24, 40, 128, 240]),
    ],
)
def test_feature_maps_are_those_before_the_last_convolution(name, chans):
    points = feature_points(zoo.get_spec(name))
    assert [point.chans for point in points] == chans
    assert [point.reduction for point in points] == [2, 4, 8, 16, 32]
