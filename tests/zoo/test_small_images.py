import pytest
import torch

import zoo
from zoo.small_images import for_small_images


@pytest.mark.parametrize(
    ("name", "last"),
    [("mobilenetv2_035", 4), ("shufflenet_v2_x0_5", 4), ("ghostnet_050", 4), ("regnetx_002", 4), ("squeezenet1_1", 7)],
)
def test_two_strides_fewer_leave_a_map_to_pool(name, last):
    spec = for_small_images(zoo.get_spec(name))
    assert spec.shapes[-1][1:] == (last, last)
    network = spec.build(num_classes=10, in_chans=1).eval()
    assert network(torch.randn(2, 1, 32, 32)).shape == (2, 10)


def test_parameters_stay_where_only_strides_change():
    spec = zoo.get_spec("mobilenetv2_035")
    small = for_small_images(spec)
    shapes = [[tuple(p.shape) for p in s.build(10).parameters()] for s in (spec, small)]
    assert shapes[0] == shapes[1]


def test_a_block_that_lives_by_its_stride_is_named():
    with pytest.raises(zoo.SpecError, match="no form for small images: blocks"):
        for_small_images(
            zoo.ArchSpec(
                resolution=32,
                blocks=(
                    zoo.BlockSpec(kind="conv", out_chans=8),
                    zoo.BlockSpec(kind="shuffle_v2", out_chans=24, stride=2),
                ),
            )
        )


def test_fewer_strides_can_be_taken_and_none_is_the_network_itself():
    spec = zoo.get_spec("mobilenetv2_035")
    assert for_small_images(spec, 64, strides=1).shapes[-1][1:] == (4, 4)
    assert for_small_images(spec, 64, strides=0) == spec.at_resolution(64)
