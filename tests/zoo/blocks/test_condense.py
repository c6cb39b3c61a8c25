import pytest
import torch
from torch import nn

import zoo
from zoo.blocks.condense import Condense
from zoo.heads.condense import CondenseHead


def _tell(module, progress):
    for layer in module.modules():
        if hasattr(layer, "training_progress"):
            layer.training_progress(progress)


@pytest.mark.parametrize(
    "options",
    [
        {"groups": 4, "condense_factor": 4},
        {"groups": 8, "condense_factor": 8, "stride": 2},
        {"groups": 2, "condense_factor": 4, "kernel": 5, "dilation": 2},
        {"groups": 4, "condense_factor": 2, "act": "prelu"},
        {"groups": 4, "condense_factor": 1, "act": "none"},
    ],
)
def test_the_shipped_form_computes_the_same_once_condensed(options, scramble):
    block, shipped = Condense(16, 24, **options), Condense(16, 24, **options, deployed=True).eval()
    images = torch.randn(4, 16, 9, 9)
    scramble(block, images)
    _tell(block, 0.5)
    shipped.load_state_dict(block.deployed_state())
    with torch.no_grad():
        expected, got = block(images), shipped(images)
    assert expected[:, 16:].std() > 1e-2
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


def test_the_shipped_form_picks_by_a_saved_index_and_has_fewer_weights():
    block, shipped = Condense(32, 48), Condense(32, 48, deployed=True)
    assert shipped.state_dict()["index"].dtype == torch.int64
    assert isinstance(shipped.reduce, nn.Conv2d) and shipped.reduce.groups == 4
    assert shipped.reduce.weight.numel() * 4 == block.reduce.weight.numel() == 32 * 64


@pytest.mark.parametrize("progress", [0.0, 0.2])
def test_what_is_not_condensed_yet_is_shipped_by_the_same_rule(progress, scramble):
    block = Condense(16, 24)
    scramble(block, torch.randn(4, 16, 9, 9))
    _tell(block, progress)
    early = {key: value.clone() for key, value in block.deployed_state().items()}
    assert not block.reduce.condensed
    _tell(block, 1.0)
    late = block.deployed_state()
    assert list(early) and early.keys() == late.keys()
    assert all(torch.equal(early[key], late[key]) for key in early)


def test_a_shipped_block_ships_as_it_is():
    block = Condense(16, 24, deployed=True)
    assert block.deployed_state().keys() == block.state_dict().keys()


def test_the_input_passes_through_pooled_by_the_stride():
    x = torch.randn(2, 16, 8, 6)
    assert torch.equal(Condense(16, 24)(x)[:, :16], x)
    torch.testing.assert_close(Condense(16, 24, stride=2)(x)[:, :16], nn.functional.avg_pool2d(x, 2))


def test_a_dense_layer_must_widen():
    stem = {"kind": "conv", "out_chans": 24}
    with pytest.raises(zoo.SpecError, match=r"^blocks\[1\]: condense: a dense layer adds channels: 24 in, 24 out"):
        zoo.ArchSpec(resolution=8, blocks=(stem, {"kind": "condense", "out_chans": 24}))


@pytest.mark.parametrize("classes", [5, 0])
def test_the_shipped_head_computes_the_same_once_condensed(classes, scramble):
    head, shipped = CondenseHead(16, classes), CondenseHead(16, classes, deployed=True).eval()
    features = torch.randn(4, 16, 5, 5)
    scramble(head, features)
    _tell(head, 0.5)
    shipped.load_state_dict(head.deployed_state())
    with torch.no_grad():
        torch.testing.assert_close(shipped(features), head(features), atol=1e-5, rtol=1e-5)
    assert shipped.num_features == 16
    assert sum(p.numel() for p in shipped.classifier.parameters()) == (8 * 5 + 5 if classes else 0)


def test_average_pooling_is_a_block():
    spec = zoo.ArchSpec(resolution=9, blocks=({"kind": "avg_pool", "out_chans": 3, "stride": 2},))
    block = spec.blocks[0].build(3)
    assert spec.shapes == ((3, 5, 5),)
    assert block(torch.ones(1, 3, 9, 9))[0, 0, 0].tolist() == pytest.approx([4 / 9, 6 / 9, 6 / 9, 6 / 9, 4 / 9])
