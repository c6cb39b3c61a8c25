import time

from search import SPACES, Space, Stage
from search.spaces import PublishedSpace, published_in
from zoo import get_spec


def test_a_shipped_space_is_looked_through_in_seconds():
    started = time.process_time()
    found = published_in(SPACES.get("tiny"))
    assert time.process_time() - started < 10
    space = SPACES.get("tiny")
    for name, params in found.items():
        assert space.decode(params).digest == get_spec(name).at_resolution(params["resolution"]).digest


def test_published_networks_of_a_space_are_found_at_the_nearest_image_size():
    published = get_spec("mobilenetv1_100")
    widths = [block.out_chans for block in published.blocks]
    strides = [block.stride for block in published.blocks]
    borders = [index for index in range(1, len(widths)) if widths[index] != widths[index - 1] or strides[index] > 1]
    stages = tuple(
        Stage(
            kinds=("depthwise_separable",),
            depths=tuple(range(1, 7)),
            widths=(widths[index],),
            acts=(dict(published.blocks[0].options).get("act", "relu"),),
            stride=strides[index],
        )
        for index in borders
    )
    # its last block is no 1x1 convolution: only a space of published networks holds it
    staged = Space(name="v1", resolutions=(128,), stem_widths=(32,), stem_stride=2, stages=stages, head_widths=(1024,))
    assert "mobilenetv1_100" not in published_in(staged)
    space = PublishedSpace(name="p", networks=("mobilenetv1_100",), resolutions=(32, 160), widths=(0.5, 0.75, 1.0))
    found = published_in(space)
    assert found["mobilenetv1_100"] == {
        "network": "mobilenetv1_100", "width": 1.0, "depth": 1.0, "dropped_strides": 0, "resolution": 160,
    }  # fmt: skip
    assert found["mobilenetv1_050"]["width"] == 0.5  # MobileNetV1 narrows all its layers, as the space does
