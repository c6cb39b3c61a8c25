"""Descriptions of blocks and heads: a registered kind and its options, frozen, validated, JSON both ways."""

import inspect
import typing
from collections.abc import Sequence
from functools import cache, cached_property
from typing import Annotated, Any

from pydantic import (
    BaseModel,
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

MAX_CHANS = 16384
MAX_BLOCK_WEIGHTS = 2**28
# constructor arguments that the network decides, not the options of a spec
_GIVEN_BY_NETWORK = {"stride", "image_chans", "feature_chans"}

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
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and name not in _GIVEN_BY_NETWORK
    }
    config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    return create_model(f"{module.__name__}Options", __config__=config, **fields)


def has_option(kind: str, name: str) -> bool:
    """Return whether blocks of `kind` take the option `name`."""
    return name in _options_model(BLOCKS.get(kind)).model_fields


def head_has_option(kind: str, name: str) -> bool:
    """Return whether heads of `kind` take the option `name`."""
    return name in _options_model(HEADS.get(kind)).model_fields


class FrozenSpec(BaseModel):
    """A frozen pydantic model whose construction raises SpecError, one line."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, ignored_types=(cached_property,))

    def __init__(self, /, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise SpecError(one_line(error)) from None


class _KindSpec(FrozenSpec):
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

    @property
    def takes_image(self) -> bool:
        """Whether the block also sees the image that the network was given (ESPNetV2's input reinforcement)."""
        return getattr(BLOCKS.get(self.kind), "takes_image", False)

    def build(self, in_chans: int, image_chans: int = 3) -> nn.Module:
        """Return the block as a module; raises SpecError where the channels do not fit it."""
        if not 1 <= in_chans <= MAX_CHANS:
            raise SpecError(f"{self.kind}: input channels must be 1 to {MAX_CHANS:,}, got {in_chans}")
        given = {"image_chans": image_chans} if self.takes_image else {}
        try:
            return BLOCKS.get(self.kind)(in_chans, self.out_chans, stride=self.stride, **given, **dict(self.options))
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

    @property
    def takes_features(self) -> bool:
        """Whether the head sees the feature maps of every resolution, a list, instead of the last one."""
        return getattr(HEADS.get(self.kind), "takes_features", False)

    def build(self, in_chans: int, num_classes: int, feature_chans: Sequence[int] = ()) -> nn.Module:
        """Return the head as a module: (N, in_chans, H, W) -> (N, num_classes).

        `feature_chans` are the channels of the maps that a head with `takes_features` is given.
        """
        if not 0 <= num_classes * in_chans <= MAX_BLOCK_WEIGHTS:
            raise SpecError(f"head {self.kind}: {num_classes} classes of {in_chans} features; too many, or less than 0")
        given = {"feature_chans": tuple(feature_chans)} if self.takes_features else {}
        try:
            return HEADS.get(self.kind)(in_chans, num_classes, **given, **dict(self.options))
        except (ValueError, ZeroDivisionError) as error:
            raise SpecError(f"head {self.kind}: {error}") from None


def with_option(spec: BlockSpec, **options: Any) -> BlockSpec:
    """Return `spec` with some options changed."""
    return BlockSpec(kind=spec.kind, out_chans=spec.out_chans, stride=spec.stride, options=dict(spec.options) | options)


def deployed_block(spec: BlockSpec) -> BlockSpec:
    """Return the form of a block that is shipped, where it is trained in another one."""
    return with_option(spec, deployed=True) if has_option(spec.kind, "deployed") else spec


def deployed_head(spec: HeadSpec) -> HeadSpec:
    """Return the form of a head that is shipped, where it is trained in another one."""
    if not head_has_option(spec.kind, "deployed"):
        return spec
    return HeadSpec(kind=spec.kind, options=dict(spec.options) | {"deployed": True})
