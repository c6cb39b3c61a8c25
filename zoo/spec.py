"""Descriptions of blocks and networks: frozen, validated, JSON both ways. The genotype of a search."""

import hashlib
import inspect
import typing
from functools import cache, cached_property, lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import torch
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    ValidationError,
    create_model,
    field_serializer,
    model_validator,
)
from torch import nn

from zoo.blocks import BLOCKS
from zoo.errors import SpecError, UnknownNameError
from zoo.heads import HEADS
from zoo.registry import Registry

if TYPE_CHECKING:
    from zoo.network import Network

MAX_BLOCKS = 512
MAX_CHANS = 16384
MAX_BLOCK_WEIGHTS = 2**28
MAX_JSON_CHARS = 1_000_000
_NOMINAL_IN_CHANS = 3  # images are taken as RGB while a spec is checked; build() takes any number

Options = tuple[tuple[str, Any], ...]


def one_line(error: ValidationError) -> str:
    """Return the first complaint of a pydantic error as `path: message`."""
    first = error.errors()[0]
    path = ""
    for part in first["loc"]:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            name = repr(part)[1:-1][:64]  # a name out of a file may be of any length and hold line breaks
            path += f".{name}" if path else name
    message = str(first.get("ctx", {}).get("error", "")) or first["msg"]
    more = error.error_count() - 1
    return (f"{path}: " if path else "") + message + (f" (and {more} more)" if more else "")


@cache
def _options_model(module: type[nn.Module]) -> type[BaseModel]:
    """Return the pydantic model of the keyword options in the constructor of `module`."""
    hints = typing.get_type_hints(module.__init__, include_extras=True)
    fields: dict[str, Any] = {
        name: (hints[name], parameter.default)
        for name, parameter in inspect.signature(module.__init__).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and name != "stride"
    }
    config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    return create_model(f"{module.__name__}Options", __config__=config, **fields)


def has_option(kind: str, name: str) -> bool:
    """Return whether blocks of `kind` take the option `name`."""
    return name in _options_model(BLOCKS.get(kind)).model_fields


class _Spec(BaseModel):
    """A frozen pydantic model whose construction raises SpecError, one line."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, ignored_types=(cached_property,))

    def __init__(self, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise SpecError(one_line(error)) from None


class _KindSpec(_Spec):
    """A kind out of a registry with its options; options equal to their defaults are dropped."""

    kind: Annotated[str, Field(strict=True, max_length=64)]
    options: Options = ()

    @model_validator(mode="before")
    @classmethod
    def _canonical_options(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("kind"), str) or len(data["kind"]) > 64:
            return data
        options = data.get("options", ())
        if not isinstance(options, dict):
            if not isinstance(options, tuple):
                raise ValueError("options must be an object of names and values")
            try:
                options = dict(options)
            except (TypeError, ValueError):
                raise ValueError("options must be pairs of a name and a value") from None
        try:
            module = cls._registry().get(data["kind"])
            # JSON has lists where options have tuples
            given = {k: tuple(v) if isinstance(v, list) else v for k, v in options.items()}
            checked = _options_model(module).model_validate(given)
        except UnknownNameError as error:
            raise ValueError(str(error)) from None
        except ValidationError as error:
            raise ValueError(f"options of {data['kind']!r}: {one_line(error)}") from None
        kept = checked.model_dump(exclude_defaults=True)
        return {**data, "options": tuple(sorted(kept.items()))}

    @classmethod
    def _registry(cls) -> Registry[type[nn.Module]]:
        raise NotImplementedError

    @field_serializer("options")
    def _options_as_object(self, options: Options) -> dict[str, Any]:
        return dict(options)


class BlockSpec(_KindSpec):
    """One block: its registered kind, output channels, stride and options.

    >>> BlockSpec(kind="ghost", out_chans=24, stride=2, options={"kernel": 5}).options
    (('kernel', 5),)
    """

    out_chans: Annotated[StrictInt, Field(ge=1, le=MAX_CHANS)]
    stride: Annotated[StrictInt, Field(ge=1, le=8)] = 1

    @classmethod
    def _registry(cls) -> Registry[type[nn.Module]]:
        return BLOCKS

    def build(self, in_chans: int) -> nn.Module:
        """Return the block as a module; raises SpecError where the channels do not fit it."""
        try:
            return BLOCKS.get(self.kind)(in_chans, self.out_chans, stride=self.stride, **dict(self.options))
        except (ValueError, ZeroDivisionError) as error:
            raise SpecError(f"{self.kind}: {error}") from None


class HeadSpec(_KindSpec):
    """The classifier of a network: its registered kind and options."""

    kind: Annotated[str, Field(strict=True, max_length=64)] = "linear"

    @classmethod
    def _registry(cls) -> Registry[type[nn.Module]]:
        return HEADS

    @model_validator(mode="before")
    @classmethod
    def _default_kind(cls, data: Any) -> Any:
        return {"kind": "linear", **data} if isinstance(data, dict) else data

    def build(self, in_chans: int, num_classes: int) -> nn.Module:
        """Return the head as a module: (N, in_chans, H, W) -> (N, num_classes)."""
        return HEADS.get(self.kind)(in_chans, num_classes, **dict(self.options))


@lru_cache(maxsize=65536)
def _check_channels(block: BlockSpec, in_chans: int) -> None:
    """Raise SpecError unless `block` can be built for `in_chans`; weights are allocated, never written."""
    try:
        weights = sum(p.numel() for p in block.build(in_chans).parameters())
    except (RuntimeError, MemoryError) as error:
        raise SpecError(f"{block.kind}: {str(error).splitlines()[0]}") from None
    if weights > MAX_BLOCK_WEIGHTS:
        raise SpecError(f"{block.kind}: {weights:,} weights; at most {MAX_BLOCK_WEIGHTS:,} in one block")


def _output_size(block: BlockSpec, in_chans: int, size: tuple[int, int], same_padding: bool) -> tuple[int, int]:
    from zoo.network import set_same_padding

    module = block.build(in_chans).to("meta").eval()
    if same_padding:
        set_same_padding(module)
    try:
        shape = module(torch.empty(2, in_chans, *size, device="meta")).shape
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise SpecError(f"{block.kind} cannot run on {size[0]}x{size[1]} pixels: {reason}") from None
    return (shape[2], shape[3])


_sizes: dict[tuple[object, ...], tuple[int, int]] = {}


def output_shape(block: BlockSpec, in_shape: tuple[int, int, int], same_padding: bool = False) -> tuple[int, int, int]:
    """Return the (C, H, W) that `block` makes of `in_shape`; raises SpecError where it cannot run.

    The size of the map does not depend on the channels, only on whether the block keeps them: one run on the meta
    device serves every width.
    """
    chans, *size = in_shape
    _check_channels(block, chans)
    key = (block.kind, block.stride, block.options, chans == block.out_chans, *size, same_padding)
    if key not in _sizes:
        _sizes[key] = _output_size(block, chans, (size[0], size[1]), same_padding)
    return (block.out_chans, *_sizes[key])


def _named(data: Any) -> Any:
    """Refuse an object whose keys are no names: `**data` would raise TypeError."""
    if isinstance(data, dict) and not all(isinstance(key, str) for key in data):
        raise ValueError("the keys of an object must be strings")
    return data


_T = TypeVar("_T")
_Named = Annotated[_T, BeforeValidator(_named)]


class ArchSpec(_Spec):
    """A whole network: blocks in order, then a head. Two equal specs have the same `digest`.

    Attributes:
        resolution: height and width of the images it is meant for, in pixels.
        bn_eps, bn_momentum: of every batch normalisation (PyTorch's meaning of momentum).
        padding: "symmetric", or "same" as TensorFlow pads.
    """

    schema_version: Literal[1] = 1
    resolution: Annotated[StrictInt, Field(ge=1, le=4096)]
    blocks: Annotated[tuple[_Named[BlockSpec], ...], Field(min_length=1, max_length=MAX_BLOCKS)]
    head: _Named[HeadSpec] = HeadSpec()
    bn_eps: Annotated[float, Field(strict=True, gt=0, lt=1)] = 1e-5
    bn_momentum: Annotated[float, Field(strict=True, gt=0, le=1)] = 0.1
    padding: Literal["symmetric", "same"] = "symmetric"

    @model_validator(mode="after")
    def _can_be_built(self) -> "ArchSpec":
        _ = self.shapes
        return self

    @cached_property
    def shapes(self) -> tuple[tuple[int, int, int], ...]:
        """(C, H, W) after each block for an image of `resolution`."""
        shape, shapes = (_NOMINAL_IN_CHANS, self.resolution, self.resolution), []
        for index, block in enumerate(self.blocks):
            try:
                shape = output_shape(block, shape, self.padding == "same")
            except SpecError as error:
                raise SpecError(f"blocks[{index}]: {error}") from None
            shapes.append(shape)
        return tuple(shapes)

    def to_json(self, *, indent: int | None = None) -> str:
        """Return the spec as JSON; defaults are left out."""
        return self.model_dump_json(exclude_defaults=True, indent=indent)

    @classmethod
    def from_json(cls, text: str | bytes) -> "ArchSpec":
        """Return the spec that `to_json` wrote; raises SpecError naming the path of what is wrong."""
        if len(text) > MAX_JSON_CHARS:
            raise SpecError(f"a spec of {len(text):,} characters; at most {MAX_JSON_CHARS:,} are read")
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise SpecError(one_line(error)) from None

    def at_resolution(self, resolution: int) -> "ArchSpec":
        """Return the same network for images of `resolution` pixels; raises SpecError where it cannot run on them."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return ArchSpec(**fields | {"resolution": resolution})

    @cached_property
    def digest(self) -> str:
        """16 hexadecimal digits that are the same for equal specs and no others."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    def build(
        self,
        num_classes: int = 1000,
        in_chans: int = 3,
        *,
        drop_rate: float | None = None,
        drop_path_rate: float = 0.0,
        seed: int | None = None,
    ) -> "Network":
        """Return the network with fresh weights: (N, in_chans, H, W) -> (N, num_classes).

        Args:
            num_classes: 0 gives pooled features.
            drop_rate: dropout before the classifier instead of the head's own.
            drop_path_rate: stochastic depth of the last block; earlier ones linearly less.
            seed: of the initial weights; the global generator is left as it was. None draws from it.
        """
        from zoo.network import build_network

        return build_network(self, num_classes, in_chans, drop_rate=drop_rate, drop_path_rate=drop_path_rate, seed=seed)
