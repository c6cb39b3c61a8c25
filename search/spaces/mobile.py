"""All the blocks from 32 to 224 pixels: a strided stem and four strided stages, as mobile networks have."""

from search.spaces import SPACES, Space
from search.spaces.mixed import FIXED, mixed_stage

_EXPANDS = (2.0, 3.0, 4.0, 6.0)

SPACES.register("mobile")(
    Space(
        name="mobile",
        resolutions=(32, 64, 96, 128, 160, 192, 224),
        stem_widths=(8, 16, 24),
        stem_stride=2,
        stages=(
            mixed_stage((1, 2, 3), (32, 48), _EXPANDS),
            mixed_stage((1, 2, 3, 4), (64, 80), _EXPANDS),
            mixed_stage((1, 2, 3, 4), (96, 112, 128), _EXPANDS),
            mixed_stage((1, 2, 3, 4), (160, 192, 240), _EXPANDS),
        ),
        head_widths=(256, 640, 1280),
        fixed=FIXED,
    )
)
