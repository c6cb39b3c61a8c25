"""Stages that mix all the searchable blocks, as the shipped spaces have them."""

from typing import Any

from search.spaces.space import Stage

KINDS = (
    "conv", "depthwise_separable", "inverted_residual", "ghost", "shuffle_v1", "shuffle_v2", "group_conv", "fire",
)  # fmt: skip

# options that make blocks alike enough to compete: normalised, with a shortcut where shapes allow
FIXED: dict[str, dict[str, Any]] = {
    "conv": {"residual": True},
    "depthwise_separable": {"residual": True},
    "fire": {"norm": True, "bypass": "simple", "squeeze_ratio": 0.25},
    "shuffle_v1": {"groups": 4},
    "group_conv": {"group_width": 16},
}


def mixed_stage(depths: tuple[int, ...], widths: tuple[int, ...], expands: tuple[float, ...]) -> Stage:
    """Return a strided stage of any kind; widths must grow from stage to stage, as strided shuffle units widen."""
    return Stage(
        kinds=KINDS,
        depths=depths,
        widths=widths,
        kernels=(3, 5),
        expands=expands,
        se_ratios=(0.0, 0.25),
        acts=("relu", "hard_swish"),
    )
