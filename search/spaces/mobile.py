"""All the blocks from 32 to 224 pixels: five strided stages, as mobile networks have."""

from search.spaces import SPACES, Space, Stage

_KINDS = (
    "conv", "depthwise_separable", "inverted_residual", "ghost", "shuffle_v1", "shuffle_v2", "group_conv", "fire",
)  # fmt: skip


def _stage(depths: tuple[int, ...], widths: tuple[int, ...]) -> Stage:
    return Stage(
        kinds=_KINDS,
        depths=depths,
        widths=widths,
        kernels=(3, 5),
        expands=(2.0, 3.0, 4.0, 6.0),
        se_ratios=(0.0, 0.25),
        acts=("relu", "hard_swish"),
    )


SPACES.register("mobile")(
    Space(
        name="mobile",
        resolutions=(32, 64, 96, 128, 160, 192, 224),
        stem_widths=(8, 16, 24),
        stem_stride=2,
        stages=(
            _stage((1, 2, 3), (32, 48)),
            _stage((1, 2, 3, 4), (64, 80)),
            _stage((1, 2, 3, 4), (96, 112, 128)),
            _stage((1, 2, 3, 4), (160, 192, 240)),
        ),
        head_widths=(256, 640, 1280),
        fixed={
            "conv": {"residual": True},
            "depthwise_separable": {"residual": True},
            "fire": {"norm": True, "bypass": "simple", "squeeze_ratio": 0.25},
            "shuffle_v1": {"groups": 4},
            "group_conv": {"group_width": 16},
        },
    )
)
