import pytest
import torch
import torch.nn.functional as F
from torch import nn

import zoo
from zoo.blocks.fusion import fold_norm, fuse, identity_kernel, pad_kernel
from zoo.network import deploy

BLOCKS = [
    ("mobileone", {}, 16, 1),
    ("mobileone", {"branches": 4, "kernel": 5, "se_ratio": 0.25}, 24, 2),
    ("mobileone", {"branches": 2, "kernel": 7, "act": "prelu"}, 16, 4),
    ("mobileone_conv", {"branches": 3}, 24, 2),
    ("mobileone_conv", {"branches": 2, "groups": 4, "se_ratio": 0.5}, 16, 1),
    ("mobileone_conv", {"kernel": 1}, 16, 1),
    ("rep_ghost", {}, 16, 1),
    ("rep_ghost", {"kernel": 5, "cheap_kernel": 5, "se_ratio": 0.25, "act": "prelu"}, 24, 2),
]


def trained(module: nn.Module, scramble, images: torch.Tensor) -> nn.Module:
    """Give `module` random weights, the statistics of `images`, and some channels that hardly vary."""
    scramble(module, images)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_var[:2] = torch.tensor([1e-6, 1e3])
            layer.running_mean[2] = 50.0
    return module.eval()


def network_of(kind: str, options: dict, out_chans: int, stride: int) -> zoo.Network:
    stem = {"kind": "conv", "out_chans": 16, "options": {"kernel": 1, "act": "none"}}
    block = {"kind": kind, "out_chans": out_chans, "stride": stride, "options": options}
    return zoo.ArchSpec(resolution=16, blocks=(stem, block), bn_eps=1e-2).build(num_classes=0, seed=0)


@pytest.mark.parametrize(("kind", "options", "out_chans", "stride"), BLOCKS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-4)])
def test_the_deployed_block_computes_what_the_trained_one_does(
    kind, options, out_chans, stride, dtype, tolerance, scramble
):
    images = torch.randn(4, 3, 15, 22, dtype=dtype)
    network = trained(network_of(kind, options, out_chans, stride).to(dtype), scramble, images)
    shipped = deploy(network)
    with torch.no_grad():
        expected, got = network.forward_features(images), shipped.forward_features(images)
    assert got.dtype == dtype
    assert float((got - expected).abs().max() / expected.abs().max()) < tolerance
    again = deploy(shipped).state_dict()
    assert all(torch.equal(value, again[key]) for key, value in shipped.state_dict().items())


@pytest.mark.parametrize(("kind", "options", "out_chans", "stride"), BLOCKS)
def test_deploying_leaves_the_trained_network_as_it_was(kind, options, out_chans, stride):
    network = network_of(kind, options, out_chans, stride)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    shipped = deploy(network)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    shared = {p.data_ptr() for p in network.parameters()} & {p.data_ptr() for p in shipped.parameters()}
    assert not shared


def test_no_batch_norm_is_left_of_a_deployed_mobileone_block():
    block = zoo.BlockSpec(kind="mobileone", out_chans=24, options={"branches": 4, "deployed": True}).build(16)
    shapes = {name: tuple(p.shape) for name, p in block.named_parameters()}
    assert shapes == {
        "dw.conv.weight": (16, 1, 3, 3),
        "dw.conv.bias": (16,),
        "pw.conv.weight": (24, 16, 1, 1),
        "pw.conv.bias": (24,),
    }


def test_a_folded_norm_is_the_affine_map_of_evaluation_mode():
    norm = nn.BatchNorm2d(2, eps=0.5).eval()
    norm.weight.data, norm.bias.data = torch.tensor([2.0, 3.0]), torch.tensor([10.0, 20.0])
    norm.running_mean, norm.running_var = torch.tensor([1.0, -1.0]), torch.tensor([3.5, 0.5])
    kernel, bias = fold_norm(torch.ones(2, 1, 1, 1), norm)
    torch.testing.assert_close(kernel.flatten(), torch.tensor([1.0, 3.0]))  # 2 / sqrt(4), 3 / sqrt(1)
    torch.testing.assert_close(bias, torch.tensor([9.0, 23.0]))  # 10 - 1 * 1, 20 + 1 * 3


@pytest.mark.parametrize(("chans", "groups", "kernel"), [(6, 1, 3), (6, 2, 5), (6, 6, 3), (6, 3, 1)])
def test_the_identity_kernel_returns_the_input(chans, groups, kernel):
    like = torch.empty(chans, chans // groups, kernel, kernel)
    x = torch.randn(2, chans, 7, 5)
    assert torch.equal(F.conv2d(x, identity_kernel(like), padding=kernel // 2, groups=groups), x)


def test_a_padded_kernel_sees_the_same_pixel():
    x, kernel = torch.randn(1, 3, 6, 7), torch.randn(4, 3, 1, 3)
    wide = pad_kernel(kernel, torch.empty(4, 3, 5, 5))
    assert wide.shape == (4, 3, 5, 5)
    torch.testing.assert_close(F.conv2d(x, wide, padding=2), F.conv2d(x, kernel, padding=(0, 1)))


def test_fusing_one_branch_is_folding_it():
    norm, kernel = nn.BatchNorm2d(4), torch.randn(4, 2, 3, 3)
    for fused, folded in zip(fuse([(kernel, norm)]), fold_norm(kernel, norm), strict=True):
        assert torch.equal(fused, folded)


def test_tensorflows_padding_moves_the_centre_of_a_strided_kernel_and_is_refused():
    options = {"options": {"branches": 2}}
    for stride in (1, 2):
        blocks = ({"kind": "mobileone_conv", "out_chans": 8, "stride": stride, **options},)
        network = zoo.ArchSpec(resolution=16, blocks=blocks, padding="same").build(num_classes=4, seed=0).eval()
        x = torch.randn(2, 3, 16, 16)
        if stride == 1:
            torch.testing.assert_close(deploy(network)(x), network(x))
        else:
            with pytest.raises(zoo.SpecError, match="cannot be fused with padding 'same'"):
                deploy(network)
