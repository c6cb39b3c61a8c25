"""A 1x1 convolution to the classes, pooled afterwards (SqueezeNet)."""

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from zoo.blocks.layers import Act, Conv2d, activation
from zoo.heads import HEADS


class _Classifier(Conv2d):
    def init_weights(self) -> None:
        nn.init.normal_(self.weight, std=0.01)  # unlike the other convolutions, in Caffe and in torchvision


@HEADS.register("conv")
class ConvHead(nn.Module):
    """Dropout, 1x1 convolution with bias, activation (on the scores, as published), average pool.

    Args:
        dropout: probability before the convolution.
        padding: 1 puts a frame around the map that scores the bias alone and is averaged with it (Caffe's networks).
    """

    def __init__(
        self,
        in_chans: int,
        num_classes: int,
        *,
        act: Act = "relu",
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5,
        padding: Annotated[int, Field(ge=0, le=1)] = 0,
    ) -> None:
        super().__init__()
        self.num_features, self.padding = in_chans, padding
        self.dropout = nn.Dropout(dropout)
        self.act = activation(act)
        self.reset(num_classes)

    def reset(self, num_classes: int) -> None:
        if num_classes:
            self.classifier = _Classifier(self.num_features, num_classes, 1, padding=self.padding)
        else:
            self.classifier = nn.Identity()

    def forward(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        if pre_logits or isinstance(self.classifier, nn.Identity):
            return x.mean((2, 3))
        return self.act(self.classifier(self.dropout(x))).mean((2, 3))
