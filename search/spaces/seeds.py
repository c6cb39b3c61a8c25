"""Published networks to start a search from."""

from typing import Any

from search.spaces.base import SearchSpace, SpaceError
from search.spaces.published import published_spec
from zoo import ArchSpec, SpecError, list_models, model_info


def published_in(space: SearchSpace) -> dict[str, dict[str, Any]]:
    """Return the choices that make a network of the zoo, by its name, for every one that `space` holds.

    A network that was published for other images than those of the space is taken at the nearest image size.
    """
    kinds, found = set(space.kinds), {}
    for name in list_models():
        blocks = model_info(name).blocks
        if not blocks or not kinds.issuperset(blocks):
            continue
        spec = published_spec(name)
        resolution = min(space.resolutions, key=lambda pixels: abs(pixels - spec.resolution))
        fields = {field: getattr(spec, field) for field in ArchSpec.model_fields}
        try:
            # unchecked, for speed: few networks fit, and those that do are decoded
            params = space.encode(ArchSpec.model_construct(**fields | {"resolution": resolution}))
            space.decode(params)
        except (SpaceError, SpecError):
            continue
        found[name] = params
    return found
