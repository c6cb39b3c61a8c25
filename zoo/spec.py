"""The description of a whole network: frozen, validated, JSON both ways. The genotype of a search."""

import hashlib
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, StrictInt, ValidationError, model_validator

from zoo.block_spec import (
    BlockSpec,
    FrozenSpec,
    HeadSpec,
    deployed_block,
    deployed_head,
    has_option,
    one_line,
    with_option,
)
from zoo.errors import SpecError
from zoo.initialization import Scheme
from zoo.shapes import block_weights, output_shape

if TYPE_CHECKING:
    from zoo.network import Network

MAX_BLOCKS = 512
MAX_WEIGHTS = 2**30
MAX_JSON_CHARS = 1_000_000
_NOMINAL_IN_CHANS = 3  # images are taken as RGB while a spec is checked; build() takes any number


def _named(data: Any) -> Any:
    """Refuse an object whose keys are no names: `**data` would raise TypeError."""
    if isinstance(data, dict) and not all(isinstance(key, str) for key in data):
        raise ValueError("the keys of an object must be strings")
    return data


_T = TypeVar("_T")
_Named = Annotated[_T, BeforeValidator(_named)]


def _without_stride(block: BlockSpec, in_chans: int) -> BlockSpec:
    """Return `block` with stride 1 and the same weights; raises SpecError where it has no such form."""
    if not has_option(block.kind, "dilation"):
        raise SpecError(f"{block.kind} has no dilation")
    dense = BlockSpec(kind=block.kind, out_chans=block.out_chans, options=block.options)
    strided_shapes, dense_shapes = ([p.shape for p in b.build(in_chans).parameters()] for b in (block, dense))
    if strided_shapes != dense_shapes:
        raise SpecError(f"{block.kind} of {in_chans} to {block.out_chans} channels keeps no weights with dilation")
    return dense


class ArchSpec(FrozenSpec):
    """A whole network: blocks in order, then a head. Two equal specs have the same `digest`.

    Attributes:
        resolution: height and width of the images it is meant for, in pixels.
        bn_eps, bn_momentum: of every batch normalisation (PyTorch's meaning of momentum).
        padding: "symmetric", or "same" as TensorFlow pads.
        init: the scheme of the first weights, see `zoo.initialization`.
    """

    schema_version: Literal[1] = 1
    resolution: Annotated[StrictInt, Field(ge=1, le=4096)]
    blocks: Annotated[tuple[_Named[BlockSpec], ...], Field(min_length=1, max_length=MAX_BLOCKS)]
    head: _Named[HeadSpec] = HeadSpec()
    bn_eps: Annotated[float, Field(strict=True, gt=0, lt=1)] = 1e-5
    bn_momentum: Annotated[float, Field(strict=True, gt=0, le=1)] = 0.1
    padding: Literal["symmetric", "same"] = "symmetric"
    init: Scheme = "tf"

    @model_validator(mode="after")
    def _can_be_built(self) -> "ArchSpec":
        _ = self.shapes
        return self

    @cached_property
    def shapes(self) -> tuple[tuple[int, int, int], ...]:
        """(C, H, W) after each block for an image of `resolution`."""
        image = shape = (_NOMINAL_IN_CHANS, self.resolution, self.resolution)
        shapes, weights = [], 0
        for index, block in enumerate(self.blocks):
            try:
                weights += block_weights(block, shape[0])
                if weights > MAX_WEIGHTS:
                    raise SpecError(f"{weights:,} weights up to here; at most {MAX_WEIGHTS:,} in a network")
                shape = output_shape(block, shape, image, self.padding == "same")
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
        return self.replace(resolution=resolution)

    def at_output_stride(self, output_stride: int) -> "ArchSpec":
        """Return the same network with dilation instead of the strides beyond `output_stride` (arXiv:1706.05587).

        The weights keep their shapes. Raises SpecError for a block that has no dilation or whose shortcut would lose
        its projection with the stride.
        """
        if output_stride not in (8, 16, 32):
            raise SpecError(f"output_stride must be 8, 16 or 32, got {output_stride}")
        stride, dilation, chans, blocks = 1, 1, _NOMINAL_IN_CHANS, []
        for index, block in enumerate(self.blocks):
            next_dilation = dilation
            if stride * block.stride > output_stride:
                next_dilation = dilation * block.stride
                try:
                    block = _without_stride(block, chans)
                except SpecError as error:
                    raise SpecError(f"blocks[{index}]: {error} for output_stride {output_stride}") from None
            stride *= block.stride
            chans = block.out_chans
            if dilation > 1 and has_option(block.kind, "dilation"):
                block = with_option(block, dilation=dilation * dict(block.options).get("dilation", 1))
            dilation = next_dilation
            blocks.append(block)
        return self.replace(blocks=tuple(blocks))

    def deployed(self) -> "ArchSpec":
        """Return the form that is shipped, for blocks that are trained in another one (MobileOne, CondenseNet)."""
        blocks, head = tuple(map(deployed_block, self.blocks)), deployed_head(self.head)
        return self if (blocks, head) == (self.blocks, self.head) else self.replace(blocks=blocks, head=head)

    def replace(self, **changes: Any) -> "ArchSpec":
        """Return the spec with some fields changed, checked anew."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return ArchSpec(**fields | changes)

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
