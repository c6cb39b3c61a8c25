"""The space of published networks: one of the zoo, made wider or narrower, deeper or shallower, at any image size."""

import fnmatch
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import Field

from search.spaces.base import Choices, Params, SearchSpace, SpaceError
from zoo import ArchSpec, BlockSpec, SpecError, get_spec, list_models, model_info
from zoo.scaling import deepened, scale_depth, scale_width
from zoo.small_images import for_small_images, without_strides

_SAME_EVERYWHERE = ("head", "bn_eps", "bn_momentum", "padding", "init")
Factor = Annotated[float, Field(ge=0.05, le=20)]
Pattern = Annotated[str, Field(min_length=1, max_length=64)]


class PublishedSpace(SearchSpace):
    """Networks of the zoo, scaled.

    Attributes:
        networks: names or wildcard patterns of the zoo's networks to choose from; baselines have no spec to scale.
        max_macs_m: networks of more million multiply-adds, as published, are left out.
        widths, depths: factors, see `zoo.scaling`; 1 is the published network.
        dropped_strides: how many of the first strides become 1, see `zoo.small_images`; 0 is the published network.
    """

    type: Literal["published"] = "published"
    networks: Choices[Pattern] = ("*",)
    max_macs_m: Annotated[float, Field(gt=0)] = 600.0
    widths: Choices[Factor] = (1.0,)
    depths: Choices[Factor] = (1.0,)
    dropped_strides: Choices[Annotated[int, Field(strict=True, ge=0, le=5)]] = (0,)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of block that its networks may have."""
        return tuple(sorted({kind for name in self.parameters()["network"] for kind in model_info(name).blocks}))

    def parameters(self) -> dict[str, tuple[Any, ...]]:
        """Return every choice of the space by name; raises SpaceError where no network of the zoo matches."""
        names = _networks(self.networks, self.max_macs_m)
        if not names:
            patterns = " ".join(self.networks)[:100]
            raise SpaceError(f"space {self.name!r}: no network under {self.max_macs_m:g} M MACs matches {patterns!r}")
        return {
            "network": names,
            "width": self.widths,
            "depth": self.depths,
            "dropped_strides": self.dropped_strides,
            "resolution": self.resolutions,
        }

    def decode(self, params: Params) -> ArchSpec:
        """Return the network of one value for each parameter; raises SpecError where it cannot be scaled so."""
        spec = for_small_images(
            published_spec(params["network"]), params["resolution"], strides=params["dropped_strides"]
        )
        return scale_width(scale_depth(spec, params["depth"]), params["width"])

    def encode(self, spec: ArchSpec) -> dict[str, Any]:
        """Return choices that `decode` to `spec`, published names and sizes before scaled ones.

        Raises SpaceError, naming the network that comes nearest and the block where it differs.
        """
        if spec.resolution not in self.resolutions:
            raise self._misfit(f"resolution {spec.resolution} is not a choice")
        shape, kinds = _shape(spec.blocks), {block.kind for block in spec.blocks}
        names = [name for name in self.parameters()["network"] if kinds <= set(model_info(name).blocks)]
        names = [n for n in names if all(getattr(published_spec(n), f) == getattr(spec, f) for f in _SAME_EVERYWHERE)]
        if not names:
            raise self._misfit("no network has its kinds of block, head, padding and norms")
        scalings = [(s, d) for s in sorted(self.dropped_strides) for d in sorted(self.depths, key=_from_one)]
        nearest = (-1, "")
        for name in sorted(names, key=lambda name: published_spec(name).blocks != spec.blocks):
            for strides, depth in scalings:
                other = _shape(deepened(without_strides(published_spec(name).blocks, strides), depth))
                if other != shape:
                    place = _common(shape, other)
                    nearest = max(nearest, (place, f"{name!r} differs from blocks[{place}] on"))
                    continue
                for width in sorted(self.widths, key=_from_one):
                    found = {"network": name, "width": width, "depth": depth, "dropped_strides": strides}
                    found["resolution"] = spec.resolution
                    if self._makes(found, spec):
                        return found
                nearest = max(nearest, (len(shape), f"{name!r} has other widths"))
        raise self._misfit(f"no network fits; the nearest, {nearest[1]}")

    def _makes(self, params: Params, spec: ArchSpec) -> bool:
        try:
            return self.decode(params).digest == spec.digest
        except SpecError:
            return False


@lru_cache(maxsize=64)
def _networks(patterns: tuple[str, ...], max_macs_m: float) -> tuple[str, ...]:
    """Return the networks with a spec that match any pattern; nothing is built, their figures are on record."""
    return tuple(
        name
        for name in list_models(max_macs_m=max_macs_m)
        if model_info(name).blocks and any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
    )


published_spec = lru_cache(maxsize=512)(get_spec)


def _from_one(factor: float) -> float:
    return abs(math.log(factor))


def _shape(blocks: Sequence[BlockSpec]) -> list[tuple[Any, ...]]:
    """Return all of the blocks that a change of width leaves alone."""
    options = [dict(block.options) for block in blocks]
    for block, given in zip(blocks, options, strict=True):
        if given.get("groups") == block.out_chans:
            given["groups"] = "all"
    return [(block.kind, block.stride, given) for block, given in zip(blocks, options, strict=True)]


def _common(first: Sequence[Any], second: Sequence[Any]) -> int:
    """Return at how many first places the two agree, one less where the first ends there."""
    pairs = zip(first, second, strict=False)
    length = min(len(first), len(second))
    return min(next((index for index, (a, b) in enumerate(pairs) if a != b), length), len(first) - 1)
