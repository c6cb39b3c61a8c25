"""RegNet (Radosavovic et al., arXiv:2003.13678), its 24 published networks and the generator of others."""

import math
from collections import Counter

from zoo.errors import SpecError
from zoo.models import Variant, register_models, stage
from zoo.spec import ArchSpec, BlockSpec

_REGNETX = {  # w0, wa, wm, depth, group width (appendix D of the paper); top-1
    "regnetx_002": (24, 36.44, 2.49, 13, 8, 68.91),
    "regnetx_004": (24, 24.48, 2.54, 22, 16, 72.62),
    "regnetx_006": (48, 36.97, 2.24, 16, 24, 74.14),
    "regnetx_008": (56, 35.73, 2.28, 16, 16, 75.15),
    "regnetx_016": (80, 34.01, 2.25, 18, 24, 76.96),
    "regnetx_032": (88, 26.31, 2.25, 25, 48, 78.26),
    "regnetx_040": (96, 38.65, 2.43, 23, 40, 78.64),
    "regnetx_064": (184, 60.83, 2.07, 17, 56, 79.16),
    "regnetx_080": (80, 49.56, 2.88, 23, 120, 79.27),
    "regnetx_120": (168, 73.36, 2.37, 19, 112, 79.71),
    "regnetx_160": (216, 55.59, 2.1, 22, 128, 80.04),
    "regnetx_320": (320, 69.86, 2.0, 23, 168, 80.5),
}
_REGNETY = {
    "regnety_002": (24, 36.44, 2.49, 13, 8, 70.34),
    "regnety_004": (48, 27.89, 2.09, 16, 8, 74.1),
    "regnety_006": (48, 32.54, 2.32, 15, 16, 75.46),
    "regnety_008": (56, 38.84, 2.4, 14, 16, 76.32),
    "regnety_016": (48, 20.71, 2.65, 27, 24, 77.93),
    "regnety_032": (80, 42.63, 2.66, 21, 24, 78.93),
    "regnety_040": (96, 31.41, 2.24, 22, 64, 79.36),
    "regnety_064": (112, 33.22, 2.27, 25, 72, 79.89),
    "regnety_080": (192, 76.82, 2.19, 17, 56, 79.95),
    "regnety_120": (168, 73.36, 2.37, 19, 112, 80.33),
    "regnety_160": (200, 106.23, 2.48, 18, 112, 80.39),
    "regnety_320": (232, 115.89, 2.53, 20, 232, 80.93),
}


def _variants(table: dict[str, tuple[int, float, float, int, int, float]]) -> dict[str, Variant]:
    names = ("w0", "wa", "wm", "depth", "group_width")
    return {
        name: Variant(dict(zip(names, numbers, strict=True)), top1=top1, timm=name)
        for name, (*numbers, top1) in table.items()
    }


def stages(w0: int, wa: float, wm: float, depth: int, group_width: int) -> list[tuple[int, int, int]]:
    """Return (width, blocks, group width) of each stage (paper, equations 2 to 4).

    A stage narrower than `group_width` is one group; the others are rounded to a multiple of it (authors' code).
    """
    widths = []
    for block in range(depth):
        exponent = round(math.log((w0 + wa * block) / w0) / math.log(wm))
        widths.append(round(w0 * wm**exponent / 8) * 8)
    found = []
    for width, blocks in Counter(widths).items():
        group = min(group_width, width)
        found.append((round(width / group) * group, blocks, group))
    return found


def regnet(
    w0: int, wa: float, wm: float, depth: int, group_width: int, *, se_ratio: float = 0.0, resolution: int = 224
) -> ArchSpec:
    """Return the RegNet of five numbers: a stem of 32 channels, then stages of bottlenecks of ratio 1.

    Args:
        w0, wa: width of the first block, a multiple of 8, and its growth per block before it is quantised.
        wm: factor between the widths of one stage and the next, above 1.
        depth: blocks in all.
        se_ratio: of squeeze-and-excitation, relative to the channels that enter the block; 0 = none.
    """
    if not (w0 > 0 and w0 % 8 == 0 and wa >= 0 and wm > 1 and group_width > 0):
        raise SpecError("a RegNet wants w0 a multiple of 8, wa of at least 0, wm above 1 and group_width above 0")
    squeeze = {"se_ratio": se_ratio, "se_of": "input", "se_divisor": 1} if se_ratio else {}
    blocks = [BlockSpec(kind="conv", out_chans=32, stride=2)]
    for width, repeats, group in stages(w0, wa, wm, depth, group_width):
        blocks += stage("group_conv", width, repeats, group_width=group, **squeeze)
    return ArchSpec(resolution=resolution, blocks=tuple(blocks), init="he_fan_out")


@register_models(_variants(_REGNETX), paper="arXiv:2003.13678", year=2020, top1_source="pycls")
def regnetx(w0: int, wa: float, wm: float, depth: int, group_width: int, resolution: int = 224) -> ArchSpec:
    """Return RegNetX."""
    return regnet(w0, wa, wm, depth, group_width, resolution=resolution)


@register_models(_variants(_REGNETY), paper="arXiv:2003.13678", year=2020, top1_source="pycls")
def regnety(w0: int, wa: float, wm: float, depth: int, group_width: int, resolution: int = 224) -> ArchSpec:
    """Return RegNetY: RegNetX with squeeze-and-excitation."""
    return regnet(w0, wa, wm, depth, group_width, se_ratio=0.25, resolution=resolution)
