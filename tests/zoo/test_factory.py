import pytest
import torch

import zoo


@pytest.mark.parametrize("name", ["ghostnet_10", "timm/resnet5", "ghostnet"])
def test_an_unknown_name_is_one_line_with_near_names(name):
    with pytest.raises(zoo.UnknownNameError, match="did you mean") as caught:
        zoo.create_model(name)
    assert "\n" not in str(caught.value)


def test_a_seed_decides_the_weights_and_leaves_the_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, second, other = (zoo.create_model("mobilenetv1_025", seed=s) for s in (1, 1, 2))
    assert torch.equal(torch.rand(1), expected)
    weights = [m.state_dict()["blocks.0.conv.weight"] for m in (first, second, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_no_classes_gives_features_and_the_classifier_can_be_reset():
    network = zoo.create_model("ghostnet_050", num_classes=0).eval()
    images = torch.randn(2, 3, 64, 64)
    features = network(images)
    assert features.shape == (2, network.num_features)
    torch.testing.assert_close(network.forward_head(network.forward_features(images), pre_logits=True), features)
    network.reset_classifier(5)
    assert network(images).shape == (2, 5)


def test_timm_networks_come_by_prefix():
    network = zoo.create_model("timm/resnet10t", num_classes=3, in_chans=1, seed=0)
    assert network(torch.randn(2, 1, 32, 32)).shape == (2, 3)


def test_drop_path_grows_with_depth_and_acts_only_in_training():
    network = zoo.get_spec("mobilenetv2_035").build(4, drop_path_rate=0.5, drop_rate=0.3, seed=0)
    rates = [m.rate for m in network.modules() if type(m).__name__ == "DropPath"]
    assert rates == sorted(rates) and 0 < rates[-1] <= 0.5
    assert network.head.dropout.p == 0.3
    images = torch.randn(4, 3, 64, 64)
    network.eval()
    assert torch.equal(network(images), network(images))
    network.train()
    assert not torch.equal(network(images), network(images))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"drop_path": 0.1}, "unknown option 'drop_path'; did you mean 'drop_path_rate'"),
        ({"features_only": True, "out_indices": (7,)}, "out_indices: 7 of 5 feature maps"),
        ({"out_indices": (1,)}, "out_indices goes with features_only=True"),
        ({"output_stride": 4}, "output_stride must be 8, 16 or 32, got 4"),
        ({"num_classes": -1}, "num_classes must be >= 0"),
        ({"drop_rate": 1.5}, "drop_rate must be at least 0"),
    ],
)
def test_impossible_options_are_refused_in_one_line(options, message):
    with pytest.raises(zoo.EdgezooError) as caught:
        zoo.create_model("mobilenetv2_035", **options)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_what_timm_refuses_is_one_line():
    with pytest.raises(zoo.EdgezooError, match="timm cannot make 'resnet10t'"):
        zoo.create_model("timm/resnet10t", nonsense=3)
