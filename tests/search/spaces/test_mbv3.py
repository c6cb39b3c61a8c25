import math
import random

import pytest

from search import SPACES
from search.spaces import SpaceError
from zoo import complexity, get_spec

SPACE = SPACES.get("mbv3")
LARGEST = {"kernel": 7, "expand": 6.0}
SMALLEST = {"kernel": 3, "expand": 3.0}


def all_layers(depth: int, resolution: int, **values) -> dict:
    params = {name: choices[0] for name, choices in SPACE.parameters().items()} | {"resolution": resolution}
    params |= {f"stage{stage}_depth": depth for stage in range(5)}
    return params | {name: values[name.split("_")[-1]] for name in params if "_layer" in name}


def counted_by_hand(params: dict) -> tuple[int, int]:
    """Return (parameters, multiply-adds) by the sums of table 1 of MobileNetV3, 1000 classes."""
    size = math.ceil(params["resolution"] / 2)
    weights, norms, biases, macs, chans = 27 * 16 + 9 * 16 + 16 * 16, 16 * 3, 0, (27 + 9 + 16) * 16 * size**2, 16
    stages = ((24, 2, False), (40, 2, True), (80, 2, False), (112, 1, True), (160, 2, True))
    for index, (out, first_stride, se) in enumerate(stages):
        for layer in range(params[f"stage{index}_depth"]):
            kernel = params[f"stage{index}_layer{layer}_kernel"]
            mid = int(chans * params[f"stage{index}_layer{layer}_expand"])
            small = math.ceil(size / (1 if layer else first_stride))
            parts = ((chans * mid, size), (kernel**2 * mid, small), (mid * out, small))
            weights += sum(count for count, _ in parts)
            macs += sum(count * side**2 for count, side in parts)
            norms += 2 * mid + out
            if se:
                reduced = (mid // 4 + 4) // 8 * 8
                reduced += 8 if reduced < 0.9 * mid / 4 else 0
                weights, macs, biases = weights + 2 * mid * reduced, macs + 2 * mid * reduced, biases + mid + reduced
            chans, size = out, small
    last = 960 * 1280 + 1280 * 1000
    weights, macs = weights + 160 * 960 + last, macs + 160 * 960 * size**2 + last
    return weights + 2 * (norms + 960) + biases + 1000, macs


def test_it_has_as_many_networks_as_the_paper_counts():
    choices = SPACE.parameters()
    networks = 1
    for stage in range(5):
        networks *= sum(
            math.prod(
                len(choices[f"stage{stage}_layer{layer}_{key}"])
                for layer in range(depth)
                for key in ("kernel", "expand")
            )
            for depth in choices[f"stage{stage}_depth"]
        )
    assert networks == ((3 * 3) ** 2 + (3 * 3) ** 3 + (3 * 3) ** 4) ** 5  # section 3.2
    assert f"{networks:.0e}" == "2e+19"
    assert choices["resolution"] == tuple(range(128, 225, 4)) and len(choices["resolution"]) == 25


@pytest.mark.parametrize(
    "params",
    [
        all_layers(4, 224, **LARGEST),
        all_layers(2, 128, **SMALLEST),
        SPACE.sample_params(random.Random(0)),
        SPACE.sample_params(random.Random(1)),
    ],
    ids=["largest", "smallest", "random", "another"],
)
def test_parameters_and_macs_are_those_counted_by_hand(params):
    size = params["resolution"]
    cost = complexity(SPACE.decode(params).build(), (3, size, size))
    assert (cost.params, cost.macs) == counted_by_hand(params)


def test_the_weights_of_all_are_the_seven_point_seven_million_of_the_paper():
    params, _ = counted_by_hand(all_layers(4, 224, **LARGEST))
    assert f"{params / 1e6:.1f}" == "7.7"  # section 3.2


def test_mobilenetv3_large_differs_in_three_expansions_and_the_head_alone():
    published = get_spec("mobilenetv3_large_100")
    params = all_layers(4, 224, **SMALLEST)
    kernels = ((3, 3), (5, 5, 5), (3, 3, 3, 3), (3, 3), (5, 5, 5))
    expands = ((4, 3), (3, 3, 3), (6, 3, 3, 3), (6, 6), (6, 6, 6))
    for stage in range(5):
        params[f"stage{stage}_depth"] = len(kernels[stage])
        for layer, (kernel, expand) in enumerate(zip(kernels[stage], expands[stage], strict=True)):
            params[f"stage{stage}_layer{layer}_kernel"] = kernel
            params[f"stage{stage}_layer{layer}_expand"] = float(expand)
    ours = SPACE.decode(params)
    different = [
        index for index, pair in enumerate(zip(ours.blocks, published.blocks, strict=True)) if len({*pair}) > 1
    ]
    assert different == [8, 9, 10]
    assert [dict(published.blocks[index].options)["expand"] for index in different] == [2.5, 2.3, 2.3]
    for index in different:
        options = [dict(spec.blocks[index].options) | {"expand": 0} for spec in (ours, published)]
        assert options[0] == options[1]
    assert dict(ours.head.options) == {"hidden": 1280, "hidden_bias": False, "act": "hard_swish", "dropout": 0.1}
    with pytest.raises(SpaceError, match=r"blocks\[8\]: 2.5 is not a choice of stage2_layer1_expand"):
        SPACE.encode(published.replace(head=SPACE.head, init=SPACE.init))
