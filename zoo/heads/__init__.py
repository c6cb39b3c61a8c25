"""What turns the last feature map into class scores. A new head is one file here with `@HEADS.register(kind)`.

A head is built as `Head(in_chans, num_classes, **options)`, has `num_features` (channels before the classifier) and
`classifier` (an identity when `num_classes` is 0), `reset(num_classes)`, and `forward(x, pre_logits=False)`. With the
class attribute `takes_features = True` it is built with `feature_chans` besides, and `x` is the list of the last
feature maps of every resolution. One with `dense = True` gives (N, num_classes, h, w), a score for each place.
"""

from torch import nn

from zoo.registry import Registry

HEADS: Registry[type[nn.Module]] = Registry("head", "zoo.heads")
