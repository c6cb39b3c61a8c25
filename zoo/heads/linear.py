"""Global average pooling and a linear classifier."""

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from zoo.blocks.layers import Act, activation, conv2d, require
from zoo.heads import HEADS


@HEADS.register("linear")
class LinearHead(nn.Module):
    """[Batch norm, [activation]], average pool, [1x1 convolution and activation], dropout, linear.

    Args:
        norm: of the last feature map (StarNet), `norm_act` the activation behind it (NAS-Bench-201).
        hidden: channels of the convolution after pooling (GhostNet, MobileNetV3); 0 = none.
        hidden_bias: of that convolution; FasterNet and FBNet have none.
        hidden_norm: batch normalisation behind it, in place of the bias (MobileNetV4).
        dropout: probability before the classifier.
        bias: of the classifier.
    """

    def __init__(
        self,
        in_chans: int,
        num_classes: int,
        *,
        norm: bool = False,
        norm_act: Act = "none",
        hidden: Annotated[int, Field(ge=0, le=65536)] = 0,
        hidden_bias: bool = True,
        hidden_norm: bool = False,
        act: Act = "relu",
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = hidden or in_chans
        require(norm or norm_act == "none", "norm_act goes with norm")
        self.norm = nn.BatchNorm2d(in_chans) if norm else nn.Identity()
        self.norm_act = activation(norm_act, in_chans)
        self.hidden = nn.Identity()
        if hidden:
            self.hidden = nn.Sequential(
                conv2d(in_chans, hidden, bias=hidden_bias and not hidden_norm),
                nn.BatchNorm2d(hidden) if hidden_norm else nn.Identity(),
                activation(act, hidden),
            )
        self.dropout = nn.Dropout(dropout)
        self.bias = bias
        self.reset(num_classes)

    def reset(self, num_classes: int) -> None:
        self.classifier = nn.Linear(self.num_features, num_classes, self.bias) if num_classes else nn.Identity()

    def forward(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        x = self.hidden(self.norm_act(self.norm(x)).mean((2, 3), keepdim=True)).flatten(1)
        return x if pre_logits else self.classifier(self.dropout(x))
