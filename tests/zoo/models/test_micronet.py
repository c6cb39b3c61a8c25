import pytest
import torch

import zoo
from zoo.blocks.dynamic_shift_max import DynamicShiftMax

IMAGES = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def m0(scramble):
    network = zoo.create_model("micronet_m0", num_classes=50, seed=0)
    scramble(network, IMAGES)
    return network


# which activations the authors' training scripts and tables switch on: with a maximum, without one
@pytest.mark.parametrize(
    ("name", "with_maximum", "without"),
    [("micronet_m0", 2 + 2 * 3, 3 + 3 + 1), ("micronet_m2", 2 + 2 * 5, 3 + 5 + 1), ("micronet_m3", 3 + 8, 0)],
)
def test_dynamic_activations_are_those_of_the_authors_tables(name, with_maximum, without):
    network = zoo.create_model(name, num_classes=1)
    starts = [layer.starts for layer in network.modules() if isinstance(layer, DynamicShiftMax)]
    assert [len(s) for s in starts].count(2) == with_maximum
    assert [len(s) for s in starts].count(1) == without
    second = (0.5, 0.5) if name == "micronet_m3" else (1.0, 0.0)
    assert {s[1] for s in starts if len(s) == 2} == {second}
    assert {s[0] for s in starts} == {(1.0, 0.0)}


@pytest.mark.parametrize(("name", "skips"), [("micronet_m0", 0), ("micronet_m2", 1), ("micronet_m3", 4)])
def test_skips_stand_where_stride_and_channels_allow(name, skips):
    network = zoo.create_model(name, num_classes=1)
    assert sum(getattr(block, "residual", False) for block in network.blocks) == skips


def test_head_by_the_definition(m0):
    def swish(x):
        return x * (x + 3).clamp(0, 6) / 6

    def swish_linear(layers, x):
        linear, norm, _ = layers
        x = x @ linear.weight.T + linear.bias
        return swish((x - norm.running_mean) / (norm.running_var + norm.eps).sqrt() * norm.weight + norm.bias)

    with torch.no_grad():
        maps = 3 * m0.forward_features(IMAGES)
        assert maps.min() < 0 and maps.max() > 6, "the clipping before the pool would not be tested"
        pooled = swish(maps.clamp(0, 6).mean((2, 3)))
        expected = swish_linear(m0.head.classifier, swish_linear(m0.head.hidden, pooled))
        torch.testing.assert_close(m0.forward_head(maps), expected, atol=1e-4, rtol=1e-4)


def test_scores_pass_through_a_swish(m0):
    with torch.no_grad():
        scores = m0(IMAGES)
    assert -0.375 <= scores.min() < 0 < scores.max()


def test_a_single_image_is_refused_in_training():
    network = zoo.create_model("micronet_m0", num_classes=5).train()
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        network(torch.randn(1, 3, 64, 64))
    assert network(torch.randn(2, 3, 64, 64)).shape == (2, 5)


def test_a_new_classifier_is_of_the_same_kind_and_follows_the_network():
    network = zoo.create_model("micronet_m0", num_classes=0).double()
    network.reset_classifier(3)
    assert [type(layer).__name__ for layer in network.get_classifier()] == ["Linear", "BatchNorm1d", "Hardswish"]
    assert network.eval()(IMAGES[:1].double()).shape == (1, 3)


def test_output_stride_keeps_the_resolution_of_the_last_maps():
    network = zoo.create_model("micronet_m0", num_classes=1, output_stride=8).eval()
    with torch.no_grad():
        assert network.forward_features(IMAGES[:1]).shape[2:] == (8, 8)
