"""Small images, minutes on a laptop: all the blocks at 24 and 32 pixels."""

from search.spaces import SPACES, Space, Stage

_KINDS = (
    "conv", "depthwise_separable", "inverted_residual", "ghost", "shuffle_v1", "shuffle_v2", "group_conv", "fire",
)  # fmt: skip


def _stage(depths: tuple[int, ...], widths: tuple[int, ...]) -> Stage:
    # widths grow strictly from stage to stage: a strided shuffle unit must widen
    return Stage(
        kinds=_KINDS,
        depths=depths,
        widths=widths,
        kernels=(3, 5),
        expands=(2.0, 3.0, 4.0),
        se_ratios=(0.0, 0.25),
        acts=("relu", "hard_swish"),
    )


SPACES.register("tiny")(
    Space(
        name="tiny",
        resolutions=(24, 32),
        stem_widths=(8, 16, 24),
        stages=(_stage((1, 2), (32, 48)), _stage((1, 2, 3), (64, 80, 96)), _stage((1, 2, 3), (112, 128, 160))),
        head_widths=(128, 256),
        fixed={
            "conv": {"residual": True},
            "depthwise_separable": {"residual": True},
            "fire": {"norm": True, "bypass": "simple", "squeeze_ratio": 0.25},
            "shuffle_v1": {"groups": 4},
            "group_conv": {"group_width": 16},
        },
    )
)
