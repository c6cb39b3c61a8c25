import pytest
import torch

import zoo

README_MACS = {  # of tensorflow/models, research/slim/nets/mobilenet_v1.md, in millions: width -> at 224, 192, 160, 128
    "100": (569, 418, 291, 186),
    "075": (317, 233, 162, 104),
    "050": (150, 110, 77, 49),
    "025": (41, None, 21, 14),  # 34 at 192 is out of line with its neighbours: (192 / 224)^2 of 41 are 30
}
SIDES = (224, 192, 160, 128)


@pytest.mark.parametrize("width", README_MACS)
@pytest.mark.parametrize("index", range(4))
def test_multiply_adds_of_the_sixteen_networks_are_those_of_the_readme(width, index):
    published, side = README_MACS[width][index], SIDES[index]
    info = zoo.model_info(f"mobilenetv1_{width}" + (f"_{side}" if side != 224 else ""))
    assert info.resolution == side
    # the paper has 325 M for width 0.75: the README's row leaves out the first convolution, 3 -> 24 channels
    left_out = 27 * 24 * (side // 2) ** 2 if width == "075" else 0
    if published is not None:
        assert (info.macs - left_out) / 1e6 == pytest.approx(published, abs=0.51)


def test_the_resolution_changes_no_weight():
    small, large = (zoo.get_spec(f"mobilenetv1_025{suffix}") for suffix in ("_128", ""))
    assert small.blocks == large.blocks and small.head == large.head


def test_activations_stop_at_six():
    network = zoo.create_model("mobilenetv1_025", seed=0).eval()
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.weight.fill_(100)
        assert network.forward_features(torch.randn(1, 3, 64, 64)).max() == 6
