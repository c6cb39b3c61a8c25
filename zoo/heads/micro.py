"""The classifier of MicroNet (Li et al., arXiv:2108.05894), as in the authors' code."""

from typing import Annotated

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from zoo.heads import HEADS


def swish_linear(in_features: int, out_features: int) -> nn.Sequential:
    """Return a linear layer with batch normalisation and h-swish: (N, in_features) -> (N, out_features)."""
    return nn.Sequential(nn.Linear(in_features, out_features), nn.BatchNorm1d(out_features), nn.Hardswish())


@HEADS.register("micro")
class MicroHead(nn.Module):
    """ReLU6, average pool, h-swish, then two linear layers, each with batch norm and h-swish, dropout between.

    The scores too pass through batch norm and h-swish, so that none is below -0.375. Batch norm over vectors needs
    two images at least in training: one alone raises ValueError.

    Args:
        hidden: features between the two linear layers.
        dropout: probability before the second one.
    """

    def __init__(
        self,
        in_chans: int,
        num_classes: int,
        *,
        hidden: Annotated[int, Field(ge=1, le=65536)] = 1024,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1,
    ) -> None:
        super().__init__()
        self.num_features = hidden
        self.hidden = swish_linear(in_chans, hidden)
        self.dropout = nn.Dropout(dropout)
        self.reset(num_classes)

    def reset(self, num_classes: int) -> None:
        self.classifier = swish_linear(self.num_features, num_classes) if num_classes else nn.Identity()

    def forward(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        x = self.hidden(F.hardswish(F.relu6(x).mean((2, 3))))
        return x if pre_logits else self.classifier(self.dropout(x))
