"""Where the weights of a network are kept: two networks share what has the same key."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import nn

from zoo import ArchSpec, BlockSpec, HeadSpec
from zoo.features import feature_points


class Part(NamedTuple):
    """One block or the head of a network.

    Attributes:
        path: of the module inside the network.
        position: what it is found by in every network: "first", "last", "head", else "STAGE-INDEX".
        arguments: of `spec.build` that make the module.
    """

    path: str
    position: str
    spec: BlockSpec | HeadSpec
    arguments: tuple[Any, ...]

    def build(self) -> nn.Module:
        """Return the module, its weights unwritten."""
        return self.spec.build(*self.arguments)

    def sizes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each parameter by its path inside the part."""
        return _sizes(self.spec, self.arguments)

    def key(self, path: str, size: tuple[int, ...]) -> str:
        """Return what a parameter of this part is kept under: no dots, which PyTorch forbids in names."""
        return f"{self.position}/{self.spec.kind}/{path.replace('.', '/')}/{len(size)}d"


def parts(spec: ArchSpec, num_classes: int, in_chans: int) -> Iterator[Part]:
    """Yield the blocks of `spec` in order, then its head.

    A block with a stride opens a stage; blocks are counted from there, so that those of networks of other depths
    meet. The first block and the last have places of their own: a space's stem, and the convolution before the head.
    """
    chans, stage, index = in_chans, 0, -1
    for number, block in enumerate(spec.blocks):
        if number == 0:
            position = "first"
        elif number == len(spec.blocks) - 1:
            position = "last"
        else:
            stage, index = (stage + 1, 0) if block.stride > 1 else (stage, index + 1)
            position = f"{stage}-{index}"
        yield Part(f"blocks.{number}", position, block, (chans, in_chans))
        chans = block.out_chans
    features = tuple(point.chans for point in feature_points(spec)) if spec.head.takes_features else ()
    yield Part("head", "head", spec.head, (chans, num_classes, features))


@lru_cache(maxsize=65536)
def _sizes(spec: BlockSpec | HeadSpec, arguments: tuple[Any, ...]) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        return {path: tuple(weight.shape) for path, weight in spec.build(*arguments).named_parameters()}
