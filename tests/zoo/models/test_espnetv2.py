import pytest
import torch
from torch import nn

import zoo
from zoo import ArchSpec
from zoo.block_spec import with_option
from zoo.timm_import import timm  # noqa: F401  before pytorchcv

from pytorchcv.models import espnetv2 as pytorchcv_espnetv2  # isort: skip


def image_in_the_last_strided_unit_too(spec: ArchSpec) -> ArchSpec:
    """pytorchcv adds the image there, the authors' code does not."""
    last = max(index for index, block in enumerate(spec.blocks) if block.stride == 2)
    blocks = (*spec.blocks[:last], with_option(spec.blocks[last], image_pools=5), *spec.blocks[last + 1 :])
    return ArchSpec(resolution=spec.resolution, blocks=blocks, head=spec.head, init=spec.init)


@pytest.mark.parametrize("size", [224, 96])
def test_with_pytorchcvs_weights_the_scores_are_pytorchcvs(size, assert_same_function):
    reference = pytorchcv_espnetv2.espnetv2_wd2()
    reference.features.final_pool = nn.AdaptiveAvgPool2d(1)  # pytorchcv's runs at 224 only
    ours = image_in_the_last_strided_unit_too(zoo.get_spec("espnetv2_050")).build()
    assert_same_function(reference, ours, torch.randn(3, 3, size, size))


@pytest.mark.parametrize(
    ("name", "params_m"),
    [
        ("espnetv2_050", 1.24),
        ("espnetv2_100", 1.67),
        ("espnetv2_125", 1.96),
        ("espnetv2_150", 2.31),
        ("espnetv2_200", 3.49),
    ],
)
def test_parameters_are_those_of_the_authors_readme(name, params_m):
    with torch.device("meta"):
        network = zoo.create_model(name)
    assert round(sum(p.numel() for p in network.parameters()) / 1e6, 2) == params_m


def test_the_image_reaches_every_strided_unit_but_the_last():
    strided = [block for block in zoo.get_spec("espnetv2_100").blocks if block.kind == "eesp" and block.stride == 2]
    assert [dict(block.options).get("image_pools", 0) for block in strided] == [2, 3, 4, 0]


@pytest.mark.parametrize("size", [(33, 47), (65, 32)])
def test_the_pooled_image_meets_the_map_at_odd_sizes(size):
    network = zoo.create_model("espnetv2_050", num_classes=3, seed=0).eval()
    assert network(torch.randn(1, 3, *size)).shape == (1, 3)
