"""The staged space: choices by stage or by block, and how a set of choices becomes a network."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from search.spaces.base import Choices, Params, SearchSpace, distinct
from search.spaces.staged_encoding import encode_staged
from zoo import ArchSpec, BlockSpec, HeadSpec, UnknownNameError
from zoo.block_spec import MAX_CHANS, FrozenSpec, has_option
from zoo.blocks import BLOCKS
from zoo.blocks.layers import Act
from zoo.heads import HEADS
from zoo.initialization import Scheme


def _known_kind(name: str) -> str:
    try:
        BLOCKS.get(name)
    except UnknownNameError as error:
        raise ValueError(str(error)) from None
    return name


Kind = Annotated[str, Field(max_length=64), AfterValidator(_known_kind)]
Depth = Annotated[int, Field(strict=True, ge=1, le=64)]
Width = Annotated[int, Field(strict=True, ge=1, le=MAX_CHANS)]
Stride = Annotated[int, Field(strict=True, ge=1, le=4)]
Groups = Annotated[int, Field(strict=True, ge=1, le=4096)]
OPTIONS = ("kernel", "expand", "se_ratio", "act", "groups")  # of blocks that a stage may choose


class Stage(FrozenSpec):
    """A run of blocks, the first of them with the stride.

    Attributes:
        kinds: of block to choose from.
        depths, widths: numbers of blocks and output channels to choose from.
        kernels, expands, se_ratios, acts, groups: choices for the kinds that have such an option; no `groups` leaves
            them as the kind has them.
        stride: of the first block.
        per_layer: which of kind, kernel, expand, se_ratio, act and groups is chosen for each block; the others are
            the same in the whole stage.
    """

    kinds: Choices[Kind]
    depths: Choices[Depth]
    widths: Choices[Width]
    kernels: Choices[Annotated[int, Field(strict=True, ge=1, le=31)]] = (3,)
    expands: Choices[Annotated[float, Field(gt=0, le=64)]] = (4.0,)
    se_ratios: Choices[Annotated[float, Field(ge=0, le=1)]] = (0.0,)
    acts: Choices[Act] = ("relu",)
    groups: Annotated[tuple[Groups, ...], Field(max_length=64), AfterValidator(distinct)] = ()
    stride: Stride = 2
    per_layer: Annotated[
        tuple[Literal["kind", "kernel", "expand", "se_ratio", "act", "groups"], ...], Field(max_length=6)
    ] = ()

    @model_validator(mode="after")
    def _per_layer_has_choices(self) -> "Stage":
        if "groups" in self.per_layer and not self.groups:
            raise ValueError("per_layer names 'groups', of which the stage has no choices")
        return self

    def parameters(self, prefix: str, depth: int = 0) -> dict[str, tuple[Any, ...]]:
        """Return the choices of the whole stage, then those of each block, by names that start with `prefix`.

        `depth` limits the blocks; by default there are as many as the deepest stage has.
        """
        choices = {
            "kind": self.kinds,
            "depth": self.depths,
            "width": self.widths,
            "kernel": self.kernels,
            "expand": self.expands,
            "se_ratio": self.se_ratios,
            "act": self.acts,
            "groups": self.groups,
        }
        shared = {prefix + key: values for key, values in choices.items() if values and key not in self.per_layer}
        layers = range(depth or max(self.depths))
        return shared | {f"{prefix}layer{layer}_{key}": choices[key] for layer in layers for key in self.per_layer}

    def parameter_name(self, prefix: str, layer: int, key: str) -> str:
        """Return the name of the parameter that decides `key` of block `layer`."""
        return f"{prefix}layer{layer}_{key}" if key in self.per_layer else prefix + key

    @property
    def options(self) -> tuple[str, ...]:
        """The options of blocks that the stage chooses."""
        return OPTIONS if self.groups else OPTIONS[:-1]


class Space(SearchSpace):
    """Networks of a stem, stages and a last pointwise convolution, with the image size as a choice too.

    Attributes:
        resolutions: pixels.
        stem_widths: channels of the first 3x3 convolution, `stem_stride` its stride.
        stem_act, last_act: activations of the first and the last convolution; None takes those of the first and the
            last stage.
        after_stem: blocks between the stem and the first stage, the same in every network.
        head_widths: channels of the last 1x1 convolution.
        fixed: options that a kind of block always gets in this space.
        head, bn_eps, bn_momentum, padding, init: as in ArchSpec.
    """

    type: Literal["staged"] = "staged"
    stem_widths: Choices[Width]
    stem_stride: Stride = 1
    stem_act: Act | None = None
    after_stem: Annotated[tuple[BlockSpec, ...], Field(max_length=16)] = ()
    stages: Annotated[tuple[Stage, ...], Field(min_length=1, max_length=16)]
    head_widths: Choices[Width]
    last_act: Act | None = None
    fixed: Annotated[dict[str, dict[str, Any]], Field(max_length=64)] = Field(default_factory=dict)
    head: HeadSpec = HeadSpec()
    bn_eps: Annotated[float, Field(gt=0, lt=1)] = 1e-5
    bn_momentum: Annotated[float, Field(gt=0, le=1)] = 0.1
    padding: Literal["symmetric", "same"] = "symmetric"
    init: Scheme = "tf"

    @model_validator(mode="after")
    def _fits_together(self) -> "Space":
        for kind, options in self.fixed.items():
            BlockSpec(kind=kind, out_chans=8, options=options)
        if self.head.takes_features or getattr(HEADS.get(self.head.kind), "dense", False):
            raise ValueError(f"head: {self.head.kind!r} scores every place; a space is of classifiers")
        for stage, act, name in ((0, self.stem_act, "stem_act"), (-1, self.last_act, "last_act")):
            if act is None and "act" in self.stages[stage].per_layer:
                raise ValueError(f"{name} must be given where the stage beside it has an act for each layer")
        return self

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of block that its networks may have."""
        of_stages = (kind for stage in self.stages for kind in stage.kinds)
        return tuple(dict.fromkeys((*of_stages, "conv", *(block.kind for block in self.after_stem))))

    def parameters(self) -> dict[str, tuple[Any, ...]]:
        """Return every choice of the space by name; a network is one value for each."""
        parameters: dict[str, tuple[Any, ...]] = {"resolution": self.resolutions, "stem_width": self.stem_widths}
        for index, stage in enumerate(self.stages):
            parameters |= stage.parameters(f"stage{index}_")
        parameters["head_width"] = self.head_widths
        return parameters

    def decode(self, params: Params) -> ArchSpec:
        """Return the network of one value for each parameter; raises SpecError where the values do not fit."""
        stages = [self.stage_blocks(index, params) for index in range(len(self.stages))]
        blocks = (*self.stem_blocks(params), *(block for stage in stages for block in stage), self.last_block(params))
        return ArchSpec(
            resolution=params["resolution"],
            blocks=blocks,
            head=self.head,
            bn_eps=self.bn_eps,
            bn_momentum=self.bn_momentum,
            padding=self.padding,
            init=self.init,
        )

    def encode(self, spec: ArchSpec) -> dict[str, Any]:
        """Return choices that `decode` to `spec`, the first one where any would do.

        Raises SpaceError, which says what does not fit.
        """
        return encode_staged(self, spec)

    def stem_blocks(self, params: Params) -> list[BlockSpec]:
        """Return the blocks before the first stage of the network of `params`."""
        options = {"act": self.stem_act or params["stage0_act"]}
        stem = BlockSpec(kind="conv", out_chans=params["stem_width"], stride=self.stem_stride, options=options)
        return [stem, *self.after_stem]

    def stage_blocks(self, index: int, params: Params) -> list[BlockSpec]:
        """Return the blocks of one stage of the network of `params`."""
        stage, prefix = self.stages[index], f"stage{index}_"
        blocks = []
        for layer in range(params[prefix + "depth"]):
            kind = params[stage.parameter_name(prefix, layer, "kind")]
            names = {key: stage.parameter_name(prefix, layer, key) for key in stage.options if has_option(kind, key)}
            options = {key: params[name] for key, name in names.items()} | self.fixed.get(kind, {})
            stride = stage.stride if layer == 0 else 1
            blocks.append(BlockSpec(kind=kind, out_chans=params[prefix + "width"], stride=stride, options=options))
        return blocks

    def last_block(self, params: Params) -> BlockSpec:
        """Return the last block of the network of `params`, before the head."""
        options = {"kernel": 1, "act": self.last_act or params[f"stage{len(self.stages) - 1}_act"]}
        return BlockSpec(kind="conv", out_chans=params["head_width"], options=options)
