import pytest
import torch
from torch import nn

import zoo
from zoo.spec import ArchSpec, with_option
from zoo.timm_import import timm


def _fields(spec):
    return {name: getattr(spec, name) for name in ArchSpec.model_fields}


def test_without_the_last_shuffle_igcv3_is_pytorchcvs(assert_same_function):
    assert timm  # pytorchcv wants torchvision, which must be imported the zoo's way first
    from pytorchcv.models.igcv3 import igcv3_wd4

    spec = zoo.get_spec("igcv3_025")
    blocks = tuple(with_option(b, shuffle_back=False) if b.kind == "igc_v3" else b for b in spec.blocks)
    ours = ArchSpec(**_fields(spec) | {"blocks": blocks}).build()
    assert_same_function(igcv3_wd4(), ours, torch.randn(2, 3, 224, 224))


def test_igcv3_has_twice_the_blocks_of_mobilenetv2_and_all_of_them_two_groups():
    blocks = [block for block in zoo.create_model("igcv3_100", seed=0).blocks if hasattr(block, "project")]
    assert len(blocks) == 1 + 4 + 6 + 8 + 6 + 6 + 1
    assert all(block.expand.conv.groups == block.project.conv.groups == 2 for block in blocks)
    assert sum(block.residual for block in blocks) == 3 + 5 + 7 + 5 + 5


@pytest.mark.parametrize(
    ("name", "groups"),
    [
        ("igcv1_l4m32", [(4, 32), (4, 64), (4, 128), (4, 256)]),
        ("igcv1_l16m16", [(16, 16), (16, 32), (16, 64), (16, 128)]),
        ("igcv1_l100m2", [(100, 2), (200, 2), (400, 2), (800, 2)]),
    ],
)
def test_igcv1_doubles_one_kind_of_group_from_stage_to_stage(name, groups):
    blocks = zoo.create_model(name, seed=0).blocks[2:]
    assert [(b.conv1.primary.groups, b.conv1.secondary.groups) for b in blocks] == [g for g in groups for _ in range(2)]
    # the identity where the authors' networks have it: only a change of channels is projected
    projected = [not isinstance(b.shortcut, nn.Identity) for b in blocks]
    assert projected == [name == "igcv1_l100m2", False, True, False, True, False, True, False]


def test_igcv1_l100m2_has_the_published_weights_without_batch_norm():
    weights = [p.numel() for p in zoo.create_model("igcv1_l100m2", seed=0).parameters() if p.ndim > 1]
    assert round(sum(weights) / 1e6, 2) == 8.61


@pytest.mark.parametrize(("name", "macs"), [("igcv2_025", 46), ("igcv2_050", 156), ("igcv2_100", 564)])
def test_igcv2_comes_near_the_published_multiply_adds(name, macs):
    assert zoo.model_info(name).macs / 1e6 == pytest.approx(macs, rel=0.035)
