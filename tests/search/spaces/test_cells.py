import random

import pytest

from search.spaces import CellSpace, SpaceError
from zoo import ArchSpec, SpecError, get_spec

SPACE = CellSpace(name="c", resolutions=(16, 32), widths=(8, 16), cells=(1, 2))
ARCH = "|nor_conv_1x1~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_3x3~2|"


def test_cells_stand_in_three_stages_with_residual_blocks_between():
    params = SPACE.from_arch_str(ARCH) | {"cells": 2, "width": 16}
    spec = SPACE.decode(params)
    assert [(block.kind.removeprefix("nasbench201"), block.out_chans, block.stride) for block in spec.blocks] == [
        ("conv", 16, 1), ("", 16, 1), ("", 16, 1),
        ("_residual", 32, 2), ("", 32, 1), ("", 32, 1),
        ("_residual", 64, 2), ("", 64, 1), ("", 64, 1),
    ]  # fmt: skip
    assert dict(spec.blocks[1].options)["operations"] == (
        "nor_conv_1x1", "none", "skip_connect", "avg_pool_3x3", "none", "nor_conv_3x3",
    )  # fmt: skip


def test_the_notation_of_the_benchmark_goes_both_ways():
    rng = random.Random(0)
    for _ in range(20):
        params = SPACE.sample_params(rng) | {"resolution": 16, "width": 8, "cells": 1}
        assert SPACE.from_arch_str(SPACE.to_arch_str(params)) == params
    assert SPACE.to_arch_str(SPACE.from_arch_str(ARCH)) == ARCH


@pytest.mark.parametrize(
    "text", ["", ARCH[:-1], ARCH + "\n", ARCH.replace("none", "max_pool_3x3"), ARCH.replace("~2", "~1"), "|" * 10**6]
)
def test_what_is_no_cell_is_refused_in_one_line(text):
    with pytest.raises(SpaceError) as caught:
        SPACE.from_arch_str(text)
    assert len(str(caught.value).splitlines()) == 1 and len(str(caught.value)) < 400


def changed(index: int, **fields) -> ArchSpec:
    spec = SPACE.decode(SPACE.from_arch_str(ARCH) | {"cells": 2})
    blocks = list(spec.blocks)
    blocks[index] = {**blocks[index].model_dump(), **fields}
    return spec.replace(blocks=tuple(blocks))


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (lambda: get_spec("mobilenetv2_100"), "no nasbench201 block"),
        (lambda: changed(0, options={"act": "relu"}), r"blocks\[0\]"),
        (lambda: changed(2, options={}), r"blocks\[2\]"),
        (lambda: changed(8, out_chans=40), r"blocks\[8\]"),
        (lambda: SPACE.decode(SPACE.from_arch_str(ARCH) | {"width": 32}), "32 is not a choice of width"),
        (lambda: SPACE.decode(SPACE.from_arch_str(ARCH) | {"cells": 3}), "3 is not a choice of cells"),
        (lambda: SPACE.decode(SPACE.from_arch_str(ARCH) | {"resolution": 64}), "64 is not a choice of resolution"),
        (lambda: SPACE.decode(SPACE.from_arch_str(ARCH)).replace(bn_eps=1e-3), "head, norm"),
    ],
)
def test_what_does_not_fit_is_named_in_one_line(spec, reason):
    with pytest.raises(SpaceError, match=reason) as caught:
        SPACE.encode(spec())
    assert "\n" not in str(caught.value)


def test_fewer_operations_make_a_smaller_space():
    small = SPACE.model_copy(update={"operations": ("none", "nor_conv_1x1")})
    assert small.size == 2 * 2 * 2 * 2**6
    with pytest.raises(SpaceError, match="skip_connect is not a choice of edge_1_2"):
        small.encode(SPACE.decode(SPACE.from_arch_str(ARCH)))
    with pytest.raises(SpecError):
        SPACE.decode(SPACE.from_arch_str(ARCH) | {"edge_0_1": "max_pool_3x3"})
