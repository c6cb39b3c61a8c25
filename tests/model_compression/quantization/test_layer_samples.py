import pytest
import torch
from torch import nn

from model_compression.quantization.layer_samples import sample_layer

_CONVOLUTIONS = {
    "plain": nn.Conv2d(4, 6, 3, padding=1),
    "strided": nn.Conv2d(4, 6, 3, stride=2, padding=1),
    "dilated": nn.Conv2d(4, 6, 3, dilation=2, padding=2),
    "not square": nn.Conv2d(4, 6, (3, 5), stride=(1, 2), padding=(0, 2)),
    "depthwise": nn.Conv2d(4, 4, 5, padding=2, groups=4),
    "depthwise with a multiplier": nn.Conv2d(4, 8, 3, groups=4),
    "grouped": nn.Conv2d(4, 6, 3, padding=1, groups=2),
    "pointwise": nn.Conv2d(4, 6, 1),
    "without a bias": nn.Conv2d(4, 6, 3, bias=False),
}


@pytest.mark.parametrize("name", _CONVOLUTIONS)
def test_all_positions_together_are_the_convolution(name, quantize):
    conv = _CONVOLUTIONS[name]
    network, _ = quantize(nn.Sequential(conv, nn.ReLU()), (1, 4, 9, 11))
    (layer,) = network.layers
    images = torch.randn(5, 4, 9, 11)
    samples = sample_layer(
        network, layer, images, images, count=10**6, batch=64, generator=torch.Generator().manual_seed(0)
    )
    with torch.no_grad():
        expected = conv(images).movedim(1, 0).reshape(layer.groups, -1, 5 * conv(images)[0, 0].numel())
    targets = torch.cat(samples.targets, 2)
    assert targets.shape == expected.shape
    torch.testing.assert_close(targets.sort(2).values, expected.sort(2).values, rtol=1e-4, atol=1e-5)
    weight = conv.weight.detach().reshape(layer.groups, conv.out_channels // layer.groups, -1)
    bias = 0 if conv.bias is None else conv.bias.detach().reshape(layer.groups, -1, 1)
    for inputs, target in zip(samples.inputs, samples.targets, strict=True):
        assert inputs.shape[2] <= 64
        torch.testing.assert_close(weight @ inputs + bias, target, rtol=1e-4, atol=1e-5)
    assert samples.activate(torch.tensor([-1.0, 2.0])).tolist() == [0, 2]


def test_a_sample_holds_as_many_positions_as_asked_for_from_every_image(quantize):
    network, _ = quantize(nn.Sequential(nn.Conv2d(1, 1, 1, bias=False)), (1, 1, 8, 8))
    images = torch.arange(20.0)[:, None, None, None].expand(20, 1, 8, 8)
    samples = sample_layer(
        network, network.layers[0], images, images, count=100, batch=32, generator=torch.Generator().manual_seed(0)
    )
    found = torch.cat(samples.inputs, 2).flatten().tolist()
    assert sorted(found) == sorted(list(range(20)) * 5)
    assert [chunk.shape[2] for chunk in samples.inputs] == [32, 32, 32, 4]
