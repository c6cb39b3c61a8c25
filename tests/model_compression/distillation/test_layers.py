import pytest
import torch
from torch import nn

from model_compression.distillation.layers import Layers, Tap, find_layers
from model_compression.errors import DistillationError
from zoo import UnknownNameError, create_model

_IMAGE = (3, 64, 64)


@pytest.mark.parametrize("name", ["mobilenetv1_025", "mobilenetv2_035", "mobilenetv3_small_050", "ghostnet_050"])
def test_stages_of_the_zoo_are_its_feature_points(name):
    network = create_model(name, 10, 3)
    points = network.feature_points
    stages = find_layers(network, _IMAGE).stages
    # the last resolution may end in the head, before it pools
    assert stages[:-1] == tuple(f"blocks.{point.index}" for point in points[:-1])
    assert len(stages) == len(points)


@pytest.mark.parametrize(
    "name", ["resnet10t", "resnet50", "mobilenetv3_small_050", "efficientnet_b0", "mobilenetv2_050"]
)
def test_stages_of_timm_have_the_shapes_of_its_feature_networks(name):
    from zoo.timm_import import timm

    network = create_model(f"timm/{name}", 10, 3)
    tap = Tap(network, find_layers(network, _IMAGE), owner="student")
    expected = timm.create_model(name, features_only=True).eval()(torch.zeros(1, *_IMAGE))
    sizes = [m.shape[2] for m in expected if m.shape[2] > 1]
    assert [m[1] for m in tap.shapes(_IMAGE).maps] == sizes
    tap.close()


def test_the_embedding_is_what_the_classifier_sees():
    network = create_model("timm/resnet10t", 10, 3).eval()
    tap = Tap(network, find_layers(network, _IMAGE), owner="student")
    images = torch.randn(2, *_IMAGE)
    network(images)
    expected = network.forward_head(network.forward_features(images), pre_logits=True)
    network(images)
    torch.testing.assert_close(tap.features().embedding, expected)
    tap.close()


def test_a_squeeze_and_a_decoder_are_no_stages():
    class Squeeze(nn.Module):
        def __init__(self):
            super().__init__()
            self.gate = nn.Sequential(nn.AvgPool2d(4), nn.Conv2d(4, 4, 1), nn.Upsample(scale_factor=4))

        def forward(self, x):
            return x * self.gate(x).sigmoid()

    network = nn.Sequential(
        nn.Conv2d(1, 4, 3, 2, 1), Squeeze(), nn.Conv2d(4, 4, 3, 2, 1), nn.Upsample(scale_factor=2), nn.Flatten(),
        nn.Linear(256, 3),
    )  # fmt: skip
    assert find_layers(network, (1, 16, 16)) == Layers(("1", "2"), "5")


def test_a_layer_that_is_not_there_is_named():
    network = create_model("timm/resnet10t", 10, 3)
    with pytest.raises(UnknownNameError, match=r"unknown layer 'layer9'; did you mean .* in the teacher"):
        Tap(network, Layers(("layer9",), "fc"), owner="teacher")


def test_features_of_nan_are_met_in_one_line():
    network = create_model("timm/resnet10t", 10, 3).eval()
    tap = Tap(network, Layers(("layer1",), "fc"), owner="teacher")
    network(torch.full((1, *_IMAGE), float("nan")))
    with pytest.raises(DistillationError, match="features of the teacher at layer 'layer1' are not finite"):
        tap.features()


def test_a_layer_without_a_map_is_refused():
    network = create_model("timm/resnet10t", 10, 3).eval()
    with pytest.raises(DistillationError, match="layer 'fc' of the student gives no feature map"):
        Tap(network, Layers(("fc",), "fc"), owner="student").shapes(_IMAGE)
