"""Every published network of the zoo up to 600 M multiply-adds, and its neighbours."""

from search.spaces import SPACES, PublishedSpace

SPACES.register("zoo")(
    PublishedSpace(
        name="zoo",
        resolutions=(32, 64, 96, 128, 160, 192, 224),
        widths=(0.35, 0.5, 0.75, 1.0, 1.25),
        depths=(0.5, 0.75, 1.0, 1.5),
        dropped_strides=(0, 1, 2),
    )
)
