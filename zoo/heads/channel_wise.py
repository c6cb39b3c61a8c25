"""A classifier that slides one kernel along the channels (ChannelNets, arXiv:1809.01330, section 3.4)."""

from typing import Annotated

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from zoo.blocks.layers import conv2d, require
from zoo.heads import HEADS


@HEADS.register("channel_wise")
class ChannelWiseHead(nn.Module):
    """One kernel of (C - num_classes + 1) channels x `size` x `size` pixels; class k sees the channels from k on.

    The kernel has a weight for each place, so maps of another size are resized to `size` first. There cannot be more
    classes than channels.

    Args:
        size: height and width of the last map at the resolution that the network is meant for.
    """

    def __init__(self, in_chans: int, num_classes: int, *, size: Annotated[int, Field(ge=1, le=64)] = 7) -> None:
        super().__init__()
        self.num_features = in_chans
        self.size = size
        self.reset(num_classes)

    def reset(self, num_classes: int) -> None:
        require(num_classes <= self.num_features, f"{num_classes} classes of {self.num_features} channels")
        kernel = (self.num_features - num_classes + 1, self.size**2)
        # places side by side: a 3-D kernel as large as the map is a 2-D one over channels x places
        self.classifier = conv2d(1, 1, kernel, padding=0) if num_classes else nn.Identity()

    def forward(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        if pre_logits or isinstance(self.classifier, nn.Identity):
            return x.mean((2, 3))
        x = F.interpolate(x, (self.size, self.size), mode="bilinear", align_corners=False)
        return self.classifier(x.flatten(2).unsqueeze(1)).flatten(1)
