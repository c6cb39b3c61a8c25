"""The space of once-for-all networks on MobileNetV3-Large (OFA, arXiv:1908.09791), at width 1.0."""

from search.spaces import SPACES, Space, Stage

_STAGES = (  # channels, stride, activation, squeeze-and-excitation
    (24, 2, "relu", 0.0),
    (40, 2, "relu", 0.25),
    (80, 2, "hard_swish", 0.0),
    (112, 1, "hard_swish", 0.25),
    (160, 2, "hard_swish", 0.25),
)

# MobileNetV3-Large itself is not of the space, as it is not of OFA's: three of its expansions are 2.5 and 2.3
SPACES.register("mbv3")(
    Space(
        name="mbv3",
        resolutions=tuple(range(128, 225, 4)),
        stem_widths=(16,),
        stem_stride=2,
        stem_act="hard_swish",
        after_stem=({"kind": "inverted_residual", "out_chans": 16, "options": {"expand": 1.0, "act": "relu"}},),
        stages=tuple(
            Stage(
                kinds=("inverted_residual",),
                depths=(2, 3, 4),
                widths=(width,),
                kernels=(3, 5, 7),
                expands=(3.0, 4.0, 6.0),
                se_ratios=(se_ratio,),
                acts=(act,),
                stride=stride,
                per_layer=("kernel", "expand"),
            )
            for width, stride, act, se_ratio in _STAGES
        ),
        head_widths=(960,),
        head={"options": {"hidden": 1280, "hidden_bias": False, "act": "hard_swish", "dropout": 0.1}},
        init="he_fan_out",
    )
)
