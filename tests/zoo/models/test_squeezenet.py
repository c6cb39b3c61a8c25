import pytest
import torch
from torch import nn

import zoo
from zoo.timm_import import torchvision


@pytest.mark.parametrize("resolution", [96, 111])
def test_with_torchvisions_weights_the_scores_are_torchvisions(resolution, assert_same_function):
    reference = torchvision.models.squeezenet1_0()
    assert_same_function(reference, zoo.create_model("squeezenet1_0"), torch.randn(4, 3, resolution, resolution))


def test_simple_bypass_adds_what_enters_fire_3_5_7_9_and_averages_a_frame_of_bias(scramble):
    """songhan/SqueezeNet-Residual: fire3 adds fire2, fire5 pool4, fire7 fire6, fire9 pool8; conv10 has pad 1."""
    reference, images = torchvision.models.squeezenet1_0(), torch.randn(4, 3, 99, 99)
    scramble(reference, images)
    network = zoo.create_model("squeezenet1_0_bypass").eval()
    network.load_state_dict(dict(zip(network.state_dict(), reference.state_dict().values(), strict=True)))
    x, number = images, 1
    with torch.no_grad():
        for layer in reference.features:
            y = layer(x)
            if isinstance(layer, torchvision.models.squeezenet.Fire):
                number += 1
                y = x + y if number in (3, 5, 7, 9) else y
            x = y
        scores = reference.classifier[1](x).relu()
        frame = 2 * (scores.shape[2] + scores.shape[3]) + 4
        total = scores.sum((2, 3)) + frame * reference.classifier[1].bias.relu()
        expected = total / (scores[0, 0].numel() + frame)
        torch.testing.assert_close(network(images), expected, atol=1e-4, rtol=1e-4)


def test_complex_bypass_adds_a_convolution_around_fire_2_4_6_8_only():
    plain, bypassed = (zoo.create_model(name) for name in ("squeezenet1_0", "squeezenet1_0_complex_bypass"))
    convs = ((96, 128), (128, 256), (256, 384), (384, 512))
    extra = {name: tuple(p.shape) for name, p in bypassed.named_parameters() if "bypass" in name}
    assert [shape for shape in extra.values() if len(shape) == 4] == [(o, i, 1, 1) for i, o in convs]
    count = sum(p.numel() for p in bypassed.parameters()) - sum(p.numel() for p in plain.parameters())
    assert count == sum(o * i + o for i, o in convs)


def test_first_weights_are_uniform_and_small_and_normal_in_the_classifier_also_after_a_reset():
    network = zoo.create_model("squeezenet1_1", seed=0)
    for conv in network.blocks.modules():
        if isinstance(conv, nn.Conv2d):
            bound = (6 / conv.weight[0].numel()) ** 0.5
            assert 0.9 * bound < conv.weight.max() <= bound
            assert not conv.bias.any()
    for classes in (1000, 300):
        network.reset_classifier(classes)
        assert network.get_classifier().weight.std().item() == pytest.approx(0.01, rel=0.02)
