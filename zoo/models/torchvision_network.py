"""AlexNet, VGG and GoogLeNet of torchvision, with the methods that every network of the zoo has."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from zoo.features import FeaturePoint

# channels of the last map of each resolution, down to stride 32
_CHANS = {
    "alexnet": (64, 192, 256, 256),
    "vgg16": (64, 128, 256, 512, 512, 512),
    "vgg19": (64, 128, 256, 512, 512, 512),
    "googlenet": (64, 192, 480, 832, 1024),
}


class _Head(nn.Module):
    """What stands between the last feature map and the classifier, and the classifier."""

    def __init__(self, body: nn.Module, classifier: nn.Linear) -> None:
        super().__init__()
        self.num_features = classifier.in_features
        self.body = body
        self.classifier: nn.Module = classifier

    def forward(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        x = self.body(x)
        return x if pre_logits else self.classifier(x)


class TorchvisionNetwork(nn.Module):
    """Layers of torchvision in a row, regrouped by resolution: (N, in_chans, H, W) -> (N, num_classes).

    The weights stand in the order in which torchvision has them.

    Attributes:
        blocks: the layers of one resolution each.
        head: pools and classifies.
        num_features: channels that the classifier sees.
        feature_points: where `forward_intermediates` takes its maps.
    """

    def __init__(self, blocks: Sequence[nn.Sequential], chans: Sequence[int], head: _Head, in_chans: int) -> None:
        super().__init__()
        self.in_chans = in_chans
        self.blocks = nn.ModuleList(blocks)
        self.head = head
        self.num_features = head.num_features
        self.num_classes = head.classifier.out_features
        last = len(blocks) - 1
        self.feature_points = tuple(FeaturePoint(i, c, 32 >> (last - i)) for i, c in enumerate(chans))
        self._grad_checkpointing = False

    def run_blocks(self, x: Tensor, taps: Collection[int] = ()) -> tuple[Tensor, list[Tensor]]:
        """(N, in_chans, H, W) -> the last feature map, and those after the blocks whose numbers are in `taps`."""
        taken = []
        for index, block in enumerate(self.blocks):
            recompute = self._grad_checkpointing and self.training
            x = checkpoint(block, x, use_reentrant=False) if recompute else block(x)
            if index in taps:
                taken.append(x)
        return x, taken

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, in_chans, H, W) -> the last feature map (N, C, h, w)."""
        return self.run_blocks(x)[0]

    def forward_intermediates(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(N, in_chans, H, W) -> the last feature map, and the last one of every resolution."""
        return self.run_blocks(x, range(len(self.blocks)))

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """The last feature map -> (N, num_classes), or (N, num_features) with `pre_logits`."""
        return self.head(x, pre_logits=pre_logits)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.forward_features(x))

    def get_classifier(self) -> nn.Module:
        """Return the last layer."""
        return self.head.classifier

    def reset_classifier(self, num_classes: int) -> None:
        """Replace the last layer by a new one for `num_classes`; 0 takes it away."""
        reference = next(self.parameters())
        classifier = nn.Linear(self.num_features, num_classes) if num_classes else nn.Identity()
        self.num_classes = num_classes
        self.head.classifier = classifier.to(reference.device, reference.dtype)

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Trade time for memory in training: recompute each block in the backward pass."""
        self._grad_checkpointing = enable


def create_torchvision_network(name: str, num_classes: int, in_chans: int, *, pretrained: bool) -> TorchvisionNetwork:
    """Return torchvision's "alexnet" (63 pixels at least), "vgg16", "vgg19" (32) or "googlenet" (15).

    AlexNet and VGG pool the last map to 6x6, 7x7 whatever its size, and the ONNX exporter follows only where that map
    is a multiple of it, as at 224 pixels. GoogLeNet comes without its auxiliary classifiers, and does not bring images
    from ImageNet's statistics to mean and deviation 0.5, as torchvision does before pretrained weights.
    """
    from zoo.timm_import import timm, torchvision

    options = {"aux_logits": False, "init_weights": True} if name == "googlenet" and not pretrained else {}
    theirs: Any = torchvision.models.get_model(name, weights="DEFAULT" if pretrained else None, **options)
    if name == "googlenet":
        children = list(theirs.children())
        layers, first = children[: children.index(theirs.avgpool)], theirs.conv1.conv
        body, classifier = [theirs.dropout], theirs.fc
    else:
        layers, first = theirs.features, theirs.features[0]
        *body, classifier = theirs.classifier
    first.weight = nn.Parameter(timm.models.adapt_input_conv(in_chans, first.weight.detach()))
    first.in_channels = in_chans
    head = _Head(nn.Sequential(theirs.avgpool, nn.Flatten(), *body), classifier)
    network = TorchvisionNetwork(_by_resolution(layers), _CHANS[name], head, in_chans)
    if num_classes != network.num_classes:
        network.reset_classifier(num_classes)
    return network


def _by_resolution(layers: Iterable[nn.Module]) -> list[nn.Sequential]:
    """Return `layers` in groups, each but the first opened by a max pool."""
    groups = [nn.Sequential()]
    for layer in layers:
        if isinstance(layer, nn.MaxPool2d):
            groups.append(nn.Sequential())
        groups[-1].append(layer)
    return groups
