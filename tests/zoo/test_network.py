import pytest
import torch
from torch import nn

import zoo
from zoo import ArchSpec, BlockSpec, SpecError
from zoo.blocks.layers import DropPath

BLOCKS = (
    BlockSpec(kind="conv", out_chans=8, stride=2),
    BlockSpec(kind="inverted_residual", out_chans=8, options={"expand": 2.0}),
    BlockSpec(kind="inverted_residual", out_chans=16, stride=2, options={"expand": 2.0, "se_ratio": 0.25}),
    BlockSpec(kind="inverted_residual", out_chans=16, options={"expand": 2.0}),
    BlockSpec(kind="conv", out_chans=24, options={"kernel": 1}),
)
SPEC = ArchSpec(resolution=32, blocks=BLOCKS, head={"options": {"dropout": 0.3}}, bn_eps=1e-3, bn_momentum=0.01)
IMAGES = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def state_equal(first, second):
    return all(torch.equal(a, b) for a, b in zip(first.values(), second.values(), strict=True))


def test_intermediates_are_the_maps_on_the_way_and_head_of_the_last_is_the_network():
    network = SPEC.build(5, seed=0).eval()
    with torch.no_grad():
        x, by_hand = IMAGES, []
        for block in network.blocks:
            x = block(x)
            by_hand.append(x)
        last, maps = network.forward_intermediates(IMAGES)
        assert [point.index for point in network.feature_points] == [1, 3]
        for got, index in zip(maps, (1, 3), strict=True):
            assert torch.equal(got, by_hand[index])
        assert torch.equal(last, by_hand[-1]) and torch.equal(network.forward_features(IMAGES), last)
        assert torch.equal(network(IMAGES), network.forward_head(last))
        torch.testing.assert_close(network.forward_head(last, pre_logits=True), last.mean((2, 3)))


def gradients(checkpointing):
    network = SPEC.build(5, drop_path_rate=0.5, seed=0).train()
    network.set_grad_checkpointing(checkpointing)
    calls = []
    network.blocks[3].register_forward_pre_hook(lambda *_: calls.append(1))
    torch.manual_seed(3)
    network(IMAGES).square().mean().backward()
    return len(calls), {name: p.grad for name, p in network.named_parameters()}


def test_checkpointing_runs_blocks_twice_and_gives_the_same_gradients_with_dropout_and_drop_path():
    (once, plain), (twice, recomputed) = gradients(False), gradients(True)
    assert (once, twice) == (1, 2)
    assert any(g.abs().max() > 0 for g in plain.values())
    for name, gradient in plain.items():
        torch.testing.assert_close(recomputed[name], gradient, msg=name)


def test_checkpointing_changes_nothing_in_evaluation():
    network = SPEC.build(5, seed=0).eval()
    expected = network(IMAGES)
    network.set_grad_checkpointing()
    assert torch.equal(network(IMAGES), expected)


def test_drop_path_grows_linearly_with_the_place_of_the_block():
    network = SPEC.build(5, drop_path_rate=0.2)
    rates = {i: m.rate for i, b in enumerate(network.blocks) for m in b.modules() if isinstance(m, DropPath)}
    assert rates == pytest.approx({1: 0.05, 3: 0.15})
    one_block = ArchSpec(resolution=8, blocks=(BlockSpec(kind="conv", out_chans=3, options={"residual": True}),))
    assert one_block.build(2, drop_path_rate=0.2).blocks[0].drop_path.rate == 0


def test_drop_path_drops_whole_samples_and_keeps_the_mean():
    layer = DropPath()
    layer.rate = 0.25
    x = torch.ones(4000, 2, 3, 1)
    torch.manual_seed(0)
    y = layer.train()(x)
    assert torch.equal(y, y[:, :1, :1].expand_as(y)), "part of a sample dropped"
    torch.testing.assert_close(y.unique(), torch.tensor([0.0, 4 / 3]))
    assert y.mean().item() == pytest.approx(1, abs=0.03)
    assert torch.equal(layer.eval()(x), x)


def test_drop_path_leaves_the_identity_of_a_dropped_sample():
    network = SPEC.build(5, drop_path_rate=0.9, seed=0)
    block = network.blocks[3]
    block.drop_path.rate = 1 - 1e-6
    x = torch.randn(4, 16, 8, 8)
    torch.manual_seed(0)
    assert torch.equal(block.train()(x), x)


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_new_classifier_follows_device_and_dtype(device):
    network = SPEC.build(5).to(device, torch.float64)
    network.reset_classifier(7)
    weight = network.get_classifier().weight
    assert (weight.device.type, weight.dtype, weight.shape) == (device, torch.float64, (7, 24))
    assert network(IMAGES.to(device, torch.float64)).shape == (4, 7) and network.num_classes == 7


def test_a_new_classifier_has_fresh_weights_and_the_rest_stays():
    network = SPEC.build(5, seed=0).eval()
    before = network.forward_features(IMAGES)
    network.reset_classifier(1000)
    assert network.get_classifier().weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert not network.get_classifier().bias.any()
    assert torch.equal(network.forward_features(IMAGES), before)
    network.reset_classifier(0)
    assert torch.equal(network(IMAGES), network.forward_head(before, pre_logits=True))


def test_norms_and_dropout_are_those_of_the_spec_and_of_the_call():
    network = SPEC.build(5)
    norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert norms and {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.01)}
    assert network.head.dropout.p == 0.3
    assert SPEC.build(5, drop_rate=0.1).head.dropout.p == 0.1
    assert SPEC.build(5, drop_rate=0.0).head.dropout.p == 0


@pytest.mark.parametrize("padding", ["symmetric", "same"])
def test_the_shipped_form_of_a_plain_network_is_an_equal_copy_in_evaluation(padding):
    spec = ArchSpec(**SPEC.model_dump() | {"padding": padding})
    network = spec.build(5, seed=0).train()
    network(IMAGES)  # statistics unlike those of a new network
    before = {name: value.clone() for name, value in network.state_dict().items()}
    shipped = zoo.deploy(network)
    assert network.training and not shipped.training and shipped.spec == spec
    assert state_equal(network.state_dict(), before) and state_equal(shipped.state_dict(), before)
    assert torch.equal(shipped(IMAGES), network.eval()(IMAGES))
    with torch.no_grad():
        next(shipped.parameters()).zero_()
    assert state_equal(network.state_dict(), before), "the copy shares weights with the original"


def test_a_block_that_does_not_fit_is_named_by_its_place():
    with pytest.raises(SpecError, match=r"blocks\[1\]: shuffle_v2: stride 1 keeps the channels"):
        ArchSpec(resolution=8, blocks=(BLOCKS[0], BlockSpec(kind="shuffle_v2", out_chans=16)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": -1}, "num_classes"),
        ({"in_chans": 0}, "in_chans"),
        ({"drop_rate": 1.0}, "drop_rate"),
        ({"drop_path_rate": -0.1}, "drop_path_rate"),
    ],
)
def test_impossible_arguments_are_refused(arguments, message):
    with pytest.raises(SpecError, match=message):
        SPEC.build(**arguments)
