import pytest
import torch
from torch import nn

import zoo
from zoo import complexity
from zoo.heads.esp_decoder import Decoder
from zoo.timm_import import timm  # noqa: F401  before pytorchcv

from pytorchcv.models.espcnet import ESPCNet  # isort: skip


class ScoresAtStride8(nn.Module):
    """pytorchcv's ESPNet-C before it enlarges its scores."""

    def __init__(self, p: int, q: int, classes: int) -> None:
        super().__init__()
        self.network = ESPCNet([0, p + 1, q + 1], [19, 131, 256], 16, [1, 1, 0], bn_eps=1e-3, num_classes=classes)

    def forward(self, x):
        return self.network.head(self.network.features(x, x))


@pytest.mark.parametrize("size", [(64, 96), (88, 40)])
def test_with_pytorchcvs_weights_the_scores_of_the_encoder_are_pytorchcvs(size, assert_same_function):
    ours = zoo.create_model("espnet_c_p2_q3", num_classes=6)
    assert_same_function(ScoresAtStride8(2, 3, 6), ours, torch.randn(2, 3, *size))


@pytest.mark.parametrize(
    ("name", "params_m"),
    [
        ("espnet_c_p2_q3", 0.188),
        ("espnet_c_p2_q5", 0.252),
        ("espnet_c_p2_q8", 0.349),
        ("espnet_p2_q3", 0.203),
        ("espnet_p2_q5", 0.268),  # 267,957
        ("espnet_p2_q8", 0.365),
    ],
)
def test_parameters_with_the_twenty_classes_of_cityscapes_are_the_published_ones(name, params_m):
    with torch.device("meta"):
        network = zoo.create_model(name, num_classes=20)
    assert round(sum(p.numel() for p in network.parameters()) / 1e6, 3) == params_m


def decoder_layers(c: int) -> dict[str, int]:
    """Weights of the decoder for `c` classes, c a multiple of 5, from figure 4d of the paper."""
    part = c // 5
    return {
        "project": (256 + 131) * c,
        "esp": 2 * c * part + 5 * 9 * part * part,
        "conv": 9 * (c + 19) * c,
        "up": 3 * 4 * c * c,
        "norms": 2 * (c + 2 * c + c + c + c),
        "prelus": 2 * c + c + c + c,
    }


def test_the_decoder_has_the_layers_of_the_paper():
    decoder = Decoder((19, 131, 256), 10)
    assert sum(p.numel() for p in decoder.parameters()) == sum(decoder_layers(10).values())


def test_transposed_convolutions_are_counted_by_the_pixels_they_read():
    assert complexity(nn.ConvTranspose2d(6, 4, 2, stride=2, bias=False), (6, 5, 7)).macs == 6 * 4 * 4 * 5 * 7


def test_the_decoder_scores_every_pixel_from_all_three_maps():
    network = zoo.create_model("espnet_p2_q3", num_classes=5, seed=0)
    assert network(torch.randn(2, 3, 64, 48)).shape == (2, 5, 64, 48)
    assert network(torch.randn(2, 3, 37, 50)).shape == (2, 5, 38, 50)  # twice the first map, which rounds up
    maps = [map.detach().requires_grad_() for map in network.forward_intermediates(torch.randn(2, 3, 64, 48))[1]]
    assert [map.shape[1:] for map in maps] == [(19, 32, 24), (131, 16, 12), (256, 8, 6)]
    network.forward_head(maps).square().mean().backward()
    assert all(map.grad.abs().max() > 0 for map in maps)


@pytest.mark.parametrize("classes", [1, 2, 4])
def test_the_decoder_works_with_fewer_classes_than_branches(classes):
    network = zoo.create_model("espnet_p2_q3", num_classes=classes, seed=0)
    assert network(torch.randn(2, 3, 32, 32)).shape == (2, classes, 32, 32)


def test_the_decoder_needs_maps_of_two_resolutions():
    with pytest.raises(zoo.SpecError, match="two resolutions"):
        zoo.ArchSpec(resolution=32, blocks=({"kind": "conv", "out_chans": 8},), head={"kind": "esp_decoder"}).build(5)
