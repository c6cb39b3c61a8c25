"""The choices of a staged space that make a given network."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from search.spaces.base import SpaceError
from zoo import ArchSpec, BlockSpec, SpecError
from zoo.block_spec import has_option

if TYPE_CHECKING:
    from search.spaces.space import Space

Candidates = Mapping[str, tuple[Any, ...]]  # by parameter, the choices that are still possible
_DEFAULT = "the default"
_SAME_EVERYWHERE = ("head", "bn_eps", "bn_momentum", "padding", "init")


class _Misfit(Exception):
    """Says why block number `block` is not what the space has there; `border`: because another stage stands there."""

    def __init__(self, block: int, reason: str, *, border: bool = False) -> None:
        super().__init__(reason)
        self.block, self.border = block, border


def encode_staged(space: "Space", spec: ArchSpec) -> dict[str, Any]:
    """Return choices of `space` that decode to `spec`; see `Space.encode`."""
    for field in _SAME_EVERYWHERE:
        if getattr(spec, field) != getattr(space, field):
            what = f"{field} {_text(getattr(spec, field))} instead of {_text(getattr(space, field))}"
            raise SpaceError(f"not in space {space.name!r}: {what}")
    try:
        candidates = _frame(space, spec)
    except _Misfit as misfit:
        raise _error(space, misfit) from None
    start, end = 1 + len(space.after_stem), len(spec.blocks) - 1
    misfits: list[_Misfit] = []

    # where one stage ends and the next begins is not always plain: any depth may be right until the last block fits
    @cache
    def stages_from(index: int, at: int) -> Candidates | None:
        if index == len(space.stages):
            if at == end:
                return {}
            misfits.append(_Misfit(at, "one block too many", border=True))
            return None
        for depth in space.stages[index].depths:
            try:
                if at + depth > end:
                    raise _Misfit(at, f"too few blocks from here on for stage {index}", border=True)
                fitted = _fit_stage(space, index, at, spec.blocks[at : at + depth], candidates)
            except _Misfit as misfit:
                misfits.append(misfit)
                continue
            rest = stages_from(index + 1, at + depth)
            if rest is not None:
                return {**fitted, **rest}
        return None

    fitted = stages_from(0, start)
    if fitted is None:
        # the attempt that came furthest
        raise _error(space, max(misfits, key=lambda misfit: (misfit.block, not misfit.border)))
    return _first_values({**candidates, **fitted})


def _first_values(candidates: Candidates) -> dict[str, Any]:
    return {name: values[0] for name, values in candidates.items()}


def _frame(space: "Space", spec: ArchSpec) -> Candidates:
    """Return what the image size, the stem and the last block leave of the choices."""
    blocks, stem_count = spec.blocks, 1 + len(space.after_stem)
    if spec.resolution not in space.resolutions:
        raise SpaceError(f"not in space {space.name!r}: resolution {spec.resolution} is not a choice")
    if len(blocks) < stem_count + len(space.stages) + 1:
        raise SpaceError(f"not in space {space.name!r}: {len(blocks)} blocks are too few")
    first, last, end = blocks[0], blocks[-1], len(blocks) - 1
    candidates: Candidates = {**space.parameters(), "resolution": (spec.resolution,)}
    for place, block in ((0, first), (end, last)):
        if block.kind != "conv":
            raise _Misfit(place, f"{block.kind} instead of conv")
    candidates = _keep(candidates, "stem_width", first.out_chans, 0)
    candidates = _keep(candidates, "head_width", last.out_chans, end)
    if space.stem_act is None:
        candidates = _keep_option(candidates, "stage0_act", first, "act", 0)
    if space.last_act is None:
        candidates = _keep_option(candidates, f"stage{len(space.stages) - 1}_act", last, "act", end)
    params = _first_values(candidates)
    _same(space.stem_blocks(params), blocks[:stem_count], 0)
    _same([space.last_block(params)], blocks[-1:], end)
    return candidates


def _fit_stage(space: "Space", index: int, at: int, blocks: Sequence[BlockSpec], candidates: Candidates) -> Candidates:
    """Return the choices of one stage that make `blocks`, the first of which is block number `at`."""
    stage, prefix = space.stages[index], f"stage{index}_"
    left: Candidates = {name: candidates[name] for name in stage.parameters(prefix)} | {
        prefix + "depth": (len(blocks),)
    }
    for layer, block in enumerate(blocks):
        place, stride = at + layer, 1 if layer else stage.stride
        if block.stride != stride:
            raise _Misfit(place, f"stride {block.stride} instead of {stride} in stage {index}", border=True)
        left = _keep(left, prefix + "width", block.out_chans, place)
        left = _keep(left, stage.parameter_name(prefix, layer, "kind"), block.kind, place)
        for key in stage.options:
            if has_option(block.kind, key) and key not in space.fixed.get(block.kind, {}):
                left = _keep_option(left, stage.parameter_name(prefix, layer, key), block, key, place)
        so_far = _first_values(left) | {prefix + "depth": layer + 1}
        _same(space.stage_blocks(index, so_far)[-1:], [block], place)
    return left


def _keep(
    candidates: Candidates, name: str, found: Any, place: int, in_spec: Callable[[Any], Any] = lambda value: value
) -> Candidates:
    """Return `candidates` with those values of one parameter that a spec holds as `found`."""
    left = tuple(value for value in candidates[name] if in_spec(value) == found)
    if not left:
        choices = ", ".join(map(str, candidates[name]))
        raise _Misfit(place, f"{found} is not a choice of {name} here, which are {choices}")
    return {**candidates, name: left}


def _keep_option(candidates: Candidates, name: str, block: BlockSpec, key: str, place: int) -> Candidates:
    found = dict(block.options).get(key, _DEFAULT)
    return _keep(candidates, name, found, place, lambda value: _in_spec(block.kind, key, value))


@lru_cache(maxsize=4096)
def _in_spec(kind: str, key: str, value: Any) -> Any:
    """Return what a spec holds for an option; `_DEFAULT` where it leaves it out, None where the kind refuses it."""
    try:
        return dict(BlockSpec(kind=kind, out_chans=8, options={key: value}).options).get(key, _DEFAULT)
    except SpecError:
        return None


def _same(made: Sequence[BlockSpec], blocks: Sequence[BlockSpec], at: int) -> None:
    for index, (expected, block) in enumerate(zip(made, blocks, strict=True), at):
        if expected != block:
            raise _Misfit(index, f"{_text(block)} instead of {_text(expected)}")


def _text(value: Any) -> str:
    return value.model_dump_json(exclude_defaults=True) if hasattr(value, "model_dump_json") else str(value)


def _error(space: "Space", misfit: _Misfit) -> SpaceError:
    return SpaceError(f"not in space {space.name!r}: blocks[{misfit.block}]: {misfit}")
