"""Global average pooling and a linear classifier."""

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from zoo.blocks.layers import Act, activation, conv2d
from zoo.heads import HEADS


@HEADS.register("linear")
class LinearHead(nn.Module):
    """Average pool, [1x1 convolution with bias and activation], dropout, linear.

    Args:
        hidden: channels of the convolution after pooling (GhostNet, MobileNetV3); 0 = none.
        hidden_norm: batch normalisation in place of that convolution's bias (MobileNetV4).
        dropout: probability before the classifier.
        bias: of the classifier.
    """

    def __init__(
        self,
        in_chans: int,
        num_classes: int,
        *,
        hidden: Annotated[int, Field(ge=0, le=65536)] = 0,
        hidden_norm: bool = False,
        act: Act = "relu",
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = hidden or in_chans
        self.hidden = nn.Identity()
        if hidden:
            norm = nn.BatchNorm2d(hidden) if hidden_norm else nn.Identity()
            self.hidden = nn.Sequential(conv2d(in_chans, hidden, bias=not hidden_norm), norm, activation(act))
        self.dropout = nn.Dropout(dropout)
        self.bias = bias
        self.reset(num_classes)

    def reset(self, num_classes: int) -> None:
        self.classifier = nn.Linear(self.num_features, num_classes, self.bias) if num_classes else nn.Identity()

    def forward(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        x = self.hidden(x.mean((2, 3), keepdim=True)).flatten(1)
        return x if pre_logits else self.classifier(self.dropout(x))
