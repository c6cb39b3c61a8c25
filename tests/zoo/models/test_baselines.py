import pytest
import torch
from torch import nn

import zoo
from zoo.models.baselines import BASELINES, create_baseline
from zoo.timm_import import torchvision

# million parameters and MACs at 224 pixels, thousand million MACs at 512: measured of torchvision's networks, SENet-154
# of pytorchcv's
FIGURES = {
    "alexnet": (61.101, 714.2, 3.71),
    "googlenet": (6.625, 1498.4, 7.82),
    "vgg16": (138.358, 15470.3, 80.3),
    "vgg19": (143.667, 19632.1, 102.05),
    "densenet121": (7.979, 2834.2, 14.8),
    "resnet50": (25.557, 4089.2, 21.36),
    "resnet152": (60.193, 11513.6, 60.14),
    "resnext101_64x4d": (83.455, 15460.3, 80.76),
    "senet154": (115.089, 20688.4, 108.05),
}
TORCHVISION = ("alexnet", "googlenet", "vgg16", "vgg19")
IMAGES = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", FIGURES)
def test_parameters_and_macs_are_the_known_ones(name):
    params_m, macs_m, macs_g_at_512 = FIGURES[name]
    with torch.device("meta"):
        network = BASELINES[name].create(1000, 3)
    count = zoo.complexity(network, (3, 224, 224))
    assert round(count.params / 1e6, 3) == params_m
    assert count.macs / 1e6 == pytest.approx(macs_m, abs=0.1)
    assert zoo.complexity(network, (3, 512, 512)).macs / 1e9 == pytest.approx(macs_g_at_512, abs=0.05)


def test_every_baseline_says_where_it_comes_from():
    assert set(BASELINES) == set(FIGURES)
    for entry in BASELINES.values():
        assert entry.paper.startswith("arXiv:") and entry.reported_top1 and entry.top1_source
    # torchvision brings images from ImageNet's statistics to these before its weights see them
    assert BASELINES["googlenet"].mean == BASELINES["googlenet"].std == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(("name", "side"), [("alexnet", 224), ("alexnet", 80), ("googlenet", 96)])
def test_with_torchvisions_weights_the_scores_are_torchvisions(name, side, assert_same_function):
    options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    reference = torchvision.models.get_model(name, weights=None, num_classes=50, **options)
    assert_same_function(reference, create_baseline(name, num_classes=50), torch.randn(4, 3, side, side))


@pytest.mark.parametrize("name", TORCHVISION)
def test_the_weights_have_torchvisions_order(name):
    options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    with torch.device("meta"):
        theirs = torchvision.models.get_model(name, weights=None, **options).state_dict()
        ours = create_baseline(name).state_dict()
    assert [v.shape for v in ours.values()] == [v.shape for v in theirs.values()]
    assert [k.rsplit(".", 1)[1] for k in ours] == [k.rsplit(".", 1)[1] for k in theirs]


@pytest.mark.parametrize(
    ("name", "reductions", "chans"),
    [
        ("alexnet", [4, 8, 16, 32], [64, 192, 256, 256]),
        ("googlenet", [2, 4, 8, 16, 32], [64, 192, 480, 832, 1024]),
        ("vgg16", [1, 2, 4, 8, 16, 32], [64, 128, 256, 512, 512, 512]),
        ("densenet121", [2, 4, 8, 16, 32], [64, 256, 512, 1024, 1024]),
    ],
)
def test_features_of_every_resolution(name, reductions, chans):
    with torch.device("meta"):
        network = create_baseline(name, features_only=True)
        two = create_baseline(name, features_only=True, out_indices=(1, 2))
        maps = network(torch.empty(1, 3, 224, 224))
    assert network.feature_info.reduction() == reductions
    assert network.feature_info.channels() == [m.shape[1] for m in maps] == chans
    assert all(abs(m.shape[2] - 224 / r) <= 1 for m, r in zip(maps, reductions, strict=True))
    assert two.feature_info.channels() == chans[1:3]


@pytest.mark.parametrize("name", TORCHVISION)
@pytest.mark.parametrize(("classes", "in_chans"), [(0, 1), (7, 4)])
def test_any_classes_and_channels(name, classes, in_chans):
    with torch.device("meta"):
        network = create_baseline(name, classes, in_chans)
        images = torch.empty(2, in_chans, 64, 75)
        assert network(images).shape == (2, classes or network.num_features)
        maps = network.forward_features(images)
        assert network.forward_head(maps, pre_logits=True).shape == (2, network.num_features)
        network.reset_classifier(3)
        assert network(images).shape == (2, 3) and network.get_classifier().out_features == network.num_classes == 3


def test_a_grey_image_gives_what_three_equal_channels_give():
    colour, grey = (create_baseline("alexnet", 5, chans, seed=0).eval() for chans in (3, 1))
    grey.load_state_dict(colour.state_dict() | {"blocks.0.0.weight": grey.state_dict()["blocks.0.0.weight"]})
    image = IMAGES[:, :1]
    with torch.no_grad():
        maps = colour.forward_features(image.expand(-1, 3, -1, -1)), grey.forward_features(image)
    assert maps[0].std() > 0
    torch.testing.assert_close(*maps, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("name", ["alexnet", "densenet121"])
def test_a_seed_decides_the_weights_and_leaves_the_generator_alone(name):
    state = torch.get_rng_state()
    first, second, other = (create_baseline(name, 5, seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    weights = next(key for key, value in first.items() if value.ndim == 4)
    assert torch.equal(first[weights], second[weights]) and not torch.equal(first[weights], other[weights])


@pytest.mark.parametrize("name", ["alexnet", "densenet121"])
def test_drop_rate_is_that_of_every_dropout_before_the_classifier(name):
    with torch.device("meta"):
        network = create_baseline(name, drop_rate=0.125)
    rates = {layer.p for layer in network.modules() if isinstance(layer, nn.Dropout)}
    assert rates == {0.125}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("alexnet", {"pretrained": "timm"}),
        ("resnet50", {"pretrained": "net.safetensors"}),
        ("googlenet", {"output_stride": 8}),
        ("vgg16", {"drop_path_rate": 0.1}),
        ("senet154", {"drop_path_rate": 0.1}),
    ],
)
def test_what_a_baseline_cannot_do_is_refused_in_one_line(name, options):
    with torch.device("meta"), pytest.raises(zoo.EdgezooError) as caught:
        create_baseline(name, **options)
    assert "\n" not in str(caught.value) and name in str(caught.value)
