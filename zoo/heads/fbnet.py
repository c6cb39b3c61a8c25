"""The head of FBNetV2 and V3."""

from typing import Annotated

from pydantic import Field
from torch import nn

from zoo.blocks.layers import Act, activation, conv2d
from zoo.heads import HEADS
from zoo.heads.linear import LinearHead


@HEADS.register("fbnet")
class FBNetHead(LinearHead):
    """Average pool, 1x1 convolution without bias, activation, dropout, linear.

    Args:
        hidden: channels of the convolution.
        dropout: probability before the classifier.
    """

    def __init__(
        self,
        in_chans: int,
        num_classes: int,
        *,
        hidden: Annotated[int, Field(ge=1, le=65536)] = 1984,
        act: Act = "hard_swish",
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0,
    ) -> None:
        super().__init__(in_chans, num_classes, hidden=hidden, dropout=dropout)
        self.hidden = nn.Sequential(conv2d(in_chans, hidden), activation(act))
