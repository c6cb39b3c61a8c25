"""A score of every class for each place of the last feature map."""

from torch import Tensor, nn

from zoo.blocks.layers import conv2d
from zoo.heads import HEADS


@HEADS.register("segment")
class SegmentHead(nn.Module):
    """1x1 convolution to the classes: (N, C, h, w) -> (N, num_classes, h, w).

    Without classes, and before the classifier, the features are average-pooled: (N, C).
    """

    dense = True

    def __init__(self, in_chans: int, num_classes: int, *, bias: bool = False) -> None:
        super().__init__()
        self.num_features = in_chans
        self.bias = bias
        self.reset(num_classes)

    def reset(self, num_classes: int) -> None:
        self.classifier = conv2d(self.num_features, num_classes, bias=self.bias) if num_classes else nn.Identity()

    def forward(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        if pre_logits or isinstance(self.classifier, nn.Identity):
            return x.mean((2, 3))
        return self.classifier(x)
