import pytest
import torch
from fvcore.nn import FlopCountAnalysis
from torch import Tensor, nn

import zoo
from zoo import complexity
from zoo.counting import Complexity

COUNTED = ("conv", "linear", "matmul", "addmm", "bmm")  # fvcore also counts batch norm and pooling


def macs_by_fvcore(network: nn.Module, shape: tuple[int, int, int]) -> int:
    analysis = FlopCountAnalysis(network.eval(), torch.zeros(1, *shape))
    by_operator = analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).by_operator()
    return int(sum(by_operator[name] for name in COUNTED))


class Attention(nn.Module):
    """Self-attention over pixels: matrix products without weights."""

    def __init__(self, chans: int) -> None:
        super().__init__()
        self.qkv = nn.Conv2d(chans, 3 * chans, 1)
        self.out = nn.Linear(chans, 5)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).flatten(2).transpose(1, 2).chunk(3, 2)
        return self.out((torch.matmul(torch.matmul(q, k.transpose(1, 2)).softmax(2), v)).mean(1))


@pytest.mark.parametrize(
    "name",
    ["mobilenetv2_035", "ghostnet_050", "shufflenet_v1_g8_100", "shufflenet_v2_x0_5", "squeezenet1_1", "regnetx_002"],
)
def test_macs_equal_those_of_fvcore(name: str) -> None:
    network = zoo.create_model(name, num_classes=10)
    assert complexity(network, (3, 64, 64)).macs == macs_by_fvcore(network, (3, 64, 64)) > 0


def test_matrix_products_are_counted() -> None:
    network = Attention(8)
    by_hand = 25 * 8 * 24 + 2 * 25 * 25 * 8 + 8 * 5  # 5x5 pixels: qkv, both products, classifier
    assert complexity(network, (8, 5, 5)).macs == macs_by_fvcore(network, (8, 5, 5)) == by_hand


@pytest.mark.parametrize(
    ("layer", "macs"),
    [
        (nn.Conv2d(4, 6, 3, padding=1), 7 * 7 * 6 * 4 * 9),
        (nn.Conv2d(4, 8, 3, padding=1, groups=4), 7 * 7 * 8 * 9),
        (nn.Conv2d(4, 6, 3, stride=2, bias=False), 3 * 3 * 6 * 4 * 9),
        (nn.Conv2d(4, 6, 3, padding=2, dilation=2), 7 * 7 * 6 * 4 * 9),
        (nn.Sequential(nn.Flatten(), nn.Linear(4 * 49, 10)), 4 * 49 * 10),
        (nn.BatchNorm2d(4), 0),
        (nn.MaxPool2d(3), 0),
        (nn.ReLU(), 0),
    ],
    ids=["conv", "groups", "stride", "dilation", "linear", "norm", "pool", "act"],
)
def test_macs_of_a_layer_equal_the_formula(layer: nn.Module, macs: int) -> None:
    count = complexity(layer, (4, 7, 7))
    assert count == Complexity(sum(p.numel() for p in layer.parameters()), macs)


def test_shared_weights_are_counted_once_and_their_work_twice() -> None:
    layer = nn.Conv2d(4, 4, 1, bias=False)
    assert complexity(nn.Sequential(layer, layer), (4, 5, 5)) == Complexity(16, 2 * 25 * 16)


def test_counting_on_the_meta_device_gives_the_same() -> None:
    real = zoo.create_model("mobilenetv2_035", num_classes=10)
    with torch.device("meta"):
        unreal = zoo.create_model("mobilenetv2_035", num_classes=10)
    assert next(unreal.parameters()).is_meta
    assert complexity(unreal, (3, 96, 96)) == complexity(real, (3, 96, 96))


def test_counting_changes_nothing_in_the_network() -> None:
    network = zoo.create_model("shufflenet_v2_x0_5", num_classes=10).train()
    network.blocks[0].eval()  # a frozen stem
    modes = [layer.training for layer in network.modules()]
    before = {name: value.clone() for name, value in network.state_dict().items()}
    complexity(network, (3, 64, 64))
    assert [layer.training for layer in network.modules()] == modes
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert all(p.grad is None for p in network.parameters())


def test_modes_come_back_when_the_network_cannot_run() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(4, 8, 3)).train()
    with pytest.raises(RuntimeError):
        complexity(network, (3, 8, 8))
    assert all(layer.training for layer in network.modules())


def test_half_precision_networks_are_counted() -> None:
    network = zoo.create_model("mobilenetv2_035", num_classes=10)
    assert complexity(network.to(torch.bfloat16), (3, 64, 64)).macs == complexity(network.float(), (3, 64, 64)).macs
