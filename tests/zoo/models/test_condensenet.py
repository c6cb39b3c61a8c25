import pytest
import torch

import zoo
from zoo.network import Network, deploy
from zoo.timm_import import timm


def _count(spec):
    with torch.device("meta"):
        count = zoo.complexity(Network(spec, 1000, 3), (3, 224, 224))
    return round(count.params / 1e6, 3), round(count.macs / 1e6, 1)


@pytest.mark.parametrize(
    ("name", "training", "shipped"),
    [
        ("condensenet74_c4_g4", (11.923, 1267.9), (4.774, 516.6)),
        ("condensenet74_c8_g8", (11.104, 1137.8), (2.935, 261.5)),
    ],
)
def test_both_forms_have_their_published_figures(name, training, shipped):
    spec = zoo.get_spec(name)
    assert _count(spec) == training
    assert _count(spec.deployed()) == shipped


def test_the_shipped_form_is_pytorchcvs(assert_same_function):
    assert timm  # pytorchcv wants torchvision, which must be imported the zoo's way first
    from pytorchcv.models.condensenet import condensenet74_c4_g4

    reference = condensenet74_c4_g4()
    generator = torch.Generator().manual_seed(0)
    for name, index in reference.named_buffers():
        if name.endswith("index"):
            most = index.numel() * (2 if name == "output.index" else 1)
            index.copy_(torch.randint(most, index.shape, generator=generator))
    ours = zoo.get_spec("condensenet74_c4_g4").deployed().build()
    assert_same_function(reference, ours, torch.randn(2, 3, 224, 224, generator=generator))


def test_a_condensed_network_ships_with_the_same_scores(scramble):
    network = zoo.create_model("condensenet74_c8_g8", num_classes=10, seed=0)
    images = torch.randn(3, 3, 64, 64)
    scramble(network, images)
    for layer in network.modules():
        if hasattr(layer, "training_progress"):
            layer.training_progress(0.5)
    shipped = deploy(network)
    with torch.no_grad():
        expected = network(images)
        assert expected.std(0).mean() > 1e-2
        torch.testing.assert_close(shipped(images), expected, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(deploy(shipped)(images), expected, atol=1e-5, rtol=1e-5)


def test_the_first_convolution_has_neither_norm_nor_bias_and_transitions_only_pool():
    network = zoo.create_model("condensenet74_c4_g4", num_classes=0, seed=0)
    assert [tuple(p.shape) for p in network.blocks[0].parameters()] == [(16, 3, 3, 3)]
    assert [point.reduction for point in network.feature_points] == [2, 4, 8, 16, 32]
    assert [point.chans for point in network.feature_points] == [48, 144, 400, 1040, 2064]
