"""What a space is: choices by stage, and how a set of choices becomes a network."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from search.spaces.base import Params, SearchSpace, SpaceError
from zoo import ArchSpec, BlockSpec, HeadSpec
from zoo.spec import has_option, one_line

Choices = Annotated[tuple[int, ...], Field(min_length=1, max_length=64)]


class Stage(BaseModel):
    """A run of blocks of one kind, the first of them with the stride.

    Attributes:
        kinds: of block to choose from.
        depths, widths: numbers of blocks and output channels to choose from.
        kernels, expands, se_ratios, acts: choices for the kinds that have such an option.
        stride: of the first block.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kinds: Annotated[tuple[str, ...], Field(min_length=1, max_length=64)]
    depths: Choices
    widths: Choices
    kernels: Choices = (3,)
    expands: Annotated[tuple[float, ...], Field(min_length=1, max_length=64)] = (4.0,)
    se_ratios: Annotated[tuple[float, ...], Field(min_length=1, max_length=64)] = (0.0,)
    acts: Annotated[tuple[str, ...], Field(min_length=1, max_length=64)] = ("relu",)
    stride: Annotated[int, Field(ge=1, le=4)] = 2


class Space(SearchSpace):
    """Networks of a stem, stages and a last pointwise convolution, with the image size as a choice too.

    Attributes:
        resolutions: pixels.
        stem_widths: channels of the first 3x3 convolution, `stem_stride` its stride.
        head_widths: channels of the last 1x1 convolution.
        fixed: options that a kind of block always gets in this space.
    """

    stem_widths: Choices
    stem_stride: Annotated[int, Field(ge=1, le=4)] = 1
    stages: Annotated[tuple[Stage, ...], Field(min_length=1, max_length=16)]
    head_widths: Choices
    fixed: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Space":
        """Return the space declared in JSON; raises SpaceError naming the path of what is wrong."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise SpaceError(f"space: {one_line(error)}") from None

    def parameters(self) -> dict[str, tuple[Any, ...]]:
        """Return every choice of the space by name; a network is one value for each."""
        parameters: dict[str, tuple[Any, ...]] = {"resolution": self.resolutions, "stem_width": self.stem_widths}
        for index, stage in enumerate(self.stages):
            prefix = f"stage{index}_"
            parameters |= {
                prefix + "kind": stage.kinds,
                prefix + "depth": stage.depths,
                prefix + "width": stage.widths,
                prefix + "kernel": stage.kernels,
                prefix + "expand": stage.expands,
                prefix + "se_ratio": stage.se_ratios,
                prefix + "act": stage.acts,
            }
        parameters["head_width"] = self.head_widths
        return parameters

    def decode(self, params: Params) -> ArchSpec:
        """Return the network of one value for each parameter; raises SpecError where the values do not fit."""
        stages = [self.stage_blocks(index, params) for index in range(len(self.stages))]
        blocks = (self.stem_block(params), *(block for stage in stages for block in stage), self.last_block(params))
        return ArchSpec(resolution=params["resolution"], blocks=blocks, head=self.head)

    def stem_block(self, params: Params) -> BlockSpec:
        """Return the first block of the network of `params`."""
        options = {"act": params["stage0_act"]}
        return BlockSpec(kind="conv", out_chans=params["stem_width"], stride=self.stem_stride, options=options)

    def stage_blocks(self, index: int, params: Params) -> list[BlockSpec]:
        """Return the blocks of one stage of the network of `params`."""
        stage, kind = self.stages[index], params[f"stage{index}_kind"]
        chosen = {key: params[f"stage{index}_{key}"] for key in ("kernel", "expand", "se_ratio", "act")}
        options = {key: value for key, value in chosen.items() if has_option(kind, key)} | self.fixed.get(kind, {})
        width, depth = params[f"stage{index}_width"], params[f"stage{index}_depth"]
        strides = [stage.stride] + [1] * (depth - 1)
        return [BlockSpec(kind=kind, out_chans=width, stride=stride, options=options) for stride in strides]

    def last_block(self, params: Params) -> BlockSpec:
        """Return the last block of the network of `params`, before the head."""
        options = {"kernel": 1, "act": params[f"stage{len(self.stages) - 1}_act"]}
        return BlockSpec(kind="conv", out_chans=params["head_width"], options=options)

    @property
    def head(self) -> HeadSpec:
        """The head of every network."""
        return HeadSpec()
