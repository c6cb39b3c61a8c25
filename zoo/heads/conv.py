"""A 1x1 convolution to the classes, pooled afterwards (SqueezeNet)."""

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from zoo.blocks.layers import Act, activation, conv2d
from zoo.heads import HEADS


@HEADS.register("conv")
class ConvHead(nn.Module):
    """Dropout, 1x1 convolution with bias, activation (on the scores, as published), average pool.

    Args:
        dropout: probability before the convolution.
    """

    def __init__(
        self,
        in_chans: int,
        num_classes: int,
        *,
        act: Act = "relu",
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5,
    ) -> None:
        super().__init__()
        self.num_features = in_chans
        self.dropout = nn.Dropout(dropout)
        self.act = activation(act)
        self.reset(num_classes)

    def reset(self, num_classes: int) -> None:
        self.classifier = conv2d(self.num_features, num_classes, bias=True) if num_classes else nn.Identity()

    def forward(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        if pre_logits or isinstance(self.classifier, nn.Identity):
            return x.mean((2, 3))
        return self.act(self.classifier(self.dropout(x))).mean((2, 3))
