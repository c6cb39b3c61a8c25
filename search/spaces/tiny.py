"""Small images, minutes on a laptop: all the blocks at 24 and 32 pixels."""

from search.spaces import SPACES, Space
from search.spaces.mixed import FIXED, mixed_stage

_EXPANDS = (2.0, 3.0, 4.0)

SPACES.register("tiny")(
    Space(
        name="tiny",
        resolutions=(24, 32),
        stem_widths=(8, 16, 24),
        stages=(
            mixed_stage((1, 2), (32, 48), _EXPANDS),
            mixed_stage((1, 2, 3), (64, 80, 96), _EXPANDS),
            mixed_stage((1, 2, 3), (112, 128, 160), _EXPANDS),
        ),
        head_widths=(128, 256),
        fixed=FIXED,
    )
)
