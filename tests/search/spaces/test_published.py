import random

import pytest

from search.spaces import PublishedSpace, SpaceError
from zoo import ArchSpec, SpecError, UnknownNameError, get_spec

SPACE = PublishedSpace(
    name="some",
    networks=("mobilenetv2_*", "ghostnet_*", "shufflenet_v2_x*"),
    resolutions=(32, 64, 224),
    widths=(0.5, 1.0, 1.25),
    depths=(0.5, 1.0, 1.5),
    dropped_strides=(0, 1, 2),
)
AS_PUBLISHED = {"width": 1.0, "depth": 1.0, "dropped_strides": 0, "resolution": 224}


@pytest.mark.parametrize("name", ["mobilenetv2_100", "ghostnet_100", "shufflenet_v2_x1_0"])
def test_with_all_factors_one_it_is_the_published_network(name):
    params = {"network": name, **AS_PUBLISHED}
    assert SPACE.decode(params).digest == get_spec(name).digest
    assert SPACE.encode(get_spec(name)) == params
    assert SPACE.decode(params | {"resolution": 64}) == get_spec(name).at_resolution(64)


def test_choices_arrive_in_the_network():
    params = {"network": "mobilenetv2_100", "width": 0.5, "depth": 1.5, "dropped_strides": 2, "resolution": 32}
    spec = SPACE.decode(params)
    assert spec.resolution == 32 and spec.shapes[-1] == (640, 4, 4)
    assert len([block for block in spec.blocks if block.out_chans == 48]) == 5  # 1.5 times the 3 blocks of 96 channels
    assert SPACE.encode(spec) == params


def test_networks_are_chosen_by_pattern_and_published_macs():
    names = SPACE.parameters()["network"]
    assert {"mobilenetv2_100", "ghostnet_050"} <= set(names)
    small = SPACE.model_copy(update={"max_macs_m": 50.0}).parameters()["network"]
    assert set(small) < set(names) and "mobilenetv2_100" not in small
    none = SPACE.model_copy(update={"networks": ("resnet50*",)})
    with pytest.raises(SpaceError, match="no network under 600 M MACs"):
        none.parameters()


def test_what_a_network_cannot_do_is_a_spec_error():
    with pytest.raises(SpecError, match="stride 1 keeps the channels"):
        SPACE.decode({"network": "shufflenet_v2_x0_5", **AS_PUBLISHED, "dropped_strides": 3})
    with pytest.raises(UnknownNameError):
        SPACE.decode({"network": "mobilenetv2", **AS_PUBLISHED})


def test_a_network_that_differs_late_is_told_from_its_neighbour():
    spec = get_spec("ghostnet_100")
    blocks = list(spec.blocks)
    blocks[9] = blocks[9].model_copy(update={"options": (("kernel", 7),)})
    with pytest.raises(SpaceError, match=r"the nearest, 'ghostnet_\d+' differs from blocks\[9\] on") as caught:
        SPACE.encode(spec.replace(blocks=tuple(blocks)))
    assert "\n" not in str(caught.value)
    blocks = [*spec.blocks[:-1], spec.blocks[-1].model_copy(update={"out_chans": 963})]
    with pytest.raises(SpaceError, match=r"the nearest, 'ghostnet_\d+' has other widths"):
        SPACE.encode(spec.replace(blocks=tuple(blocks)))


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (get_spec("regnetx_002"), "no network has its kinds"),
        (get_spec("mobilenetv2_100").replace(bn_eps=0.5), "no network has its kinds"),
        (get_spec("mobilenetv2_100").replace(resolution=96), "resolution 96"),
        (ArchSpec(resolution=32, blocks=({"kind": "conv", "out_chans": 8},)), "no network has|differs from"),
    ],
    ids=["kind", "norm", "resolution", "other"],
)
def test_strangers_are_refused_in_one_line(spec, reason):
    with pytest.raises(SpaceError, match=reason) as caught:
        SPACE.encode(spec)
    assert "\n" not in str(caught.value)


def test_random_networks_are_not_all_alike():
    rng = random.Random(0)
    assert len({SPACE.sample_params(rng)["network"] for _ in range(8)}) > 2
