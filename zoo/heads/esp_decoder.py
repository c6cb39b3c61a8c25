"""The light decoder of ESPNet: class scores of each resolution, merged from the smallest map up."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from zoo.blocks.esp import Esp, norm_act
from zoo.blocks.layers import ConvNormAct, conv2d, require
from zoo.heads import HEADS

_BRANCHES = 5


def _doubled(chans: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(chans, chans, 2, stride=2, bias=False)


def _cropped(x: Tensor, like: Tensor) -> Tensor:
    """Return `x` without the last row and column where doubling an odd map, halved and rounded up, left one more."""
    return x[:, :, : like.shape[2], : like.shape[3]]


class Decoder(nn.Module):
    """Maps, each half as large as the one before -> (N, classes, h, w), twice as large as the first one.

    Everything in it is as wide as there are classes (figure 4d of the paper).
    """

    def __init__(self, feature_chans: Sequence[int], classes: int) -> None:
        super().__init__()
        shallow, *middle, deep = feature_chans
        self.deep = nn.Sequential(conv2d(deep, classes), nn.BatchNorm2d(classes), _doubled(classes))
        self.projections = nn.ModuleList(conv2d(chans, classes) for chans in reversed(middle))
        self.merges = nn.ModuleList(
            nn.Sequential(
                norm_act(2 * classes, "prelu"),
                Esp(2 * classes, classes, branches=min(_BRANCHES, classes)),
                _doubled(classes),
                norm_act(classes, "prelu"),
            )
            for _ in middle
        )
        self.shallow = nn.Sequential(ConvNormAct(classes + shallow, classes, 3, act="prelu"), _doubled(classes))

    def forward(self, maps: list[Tensor]) -> Tensor:
        shallow, *middle, deep = maps
        y = self.deep(deep)
        for x, project, merge in zip(reversed(middle), self.projections, self.merges, strict=True):
            x = project(x)
            y = merge(torch.cat((x, _cropped(y, x)), 1))
        return self.shallow(torch.cat((_cropped(y, shallow), shallow), 1))


@HEADS.register("esp_decoder")
class EspDecoderHead(nn.Module):
    """`Decoder` over the last feature maps of every resolution; its strides must be 2 from one to the next.

    Without classes, and before the classifier, which is the whole decoder, the last map is average-pooled: (N, C).
    """

    dense = True
    takes_features = True

    def __init__(self, in_chans: int, num_classes: int, *, feature_chans: Sequence[int] = ()) -> None:
        super().__init__()
        require(len(feature_chans) >= 2, "needs feature maps of two resolutions or more")
        self.num_features = in_chans
        self.feature_chans = tuple(feature_chans)
        self.reset(num_classes)

    def reset(self, num_classes: int) -> None:
        self.classifier = Decoder(self.feature_chans, num_classes) if num_classes else nn.Identity()

    def forward(self, x: list[Tensor], pre_logits: bool = False) -> Tensor:
        if pre_logits or isinstance(self.classifier, nn.Identity):
            return x[-1].mean((2, 3))
        return self.classifier(x)
