import pytest
import torch
from torch import nn

from zoo.blocks.learned_group_conv import CondensingLinear, LearnedGroupConv2d


def _layer(in_chans=12, out_chans=6, groups=3, condense_factor=4, seed=0, **options):
    layer = LearnedGroupConv2d(in_chans, out_chans, groups=groups, condense_factor=condense_factor, **options)
    with torch.no_grad():
        layer.weight.normal_(generator=torch.Generator().manual_seed(seed))
    return layer


@pytest.mark.parametrize(
    ("condense_factor", "kept"),
    [
        (4, {0: 24, 0.16: 24, 0.17: 18, 0.33: 18, 0.34: 12, 0.49: 12, 0.5: 6, 1: 6}),
        (2, {0: 24, 0.49: 24, 0.5: 12, 1: 12}),
        (1, {0: 24, 0.5: 24, 1: 24}),
    ],
)
def test_inputs_go_in_equal_parts_through_the_first_half_of_the_training(condense_factor, kept):
    layer = _layer(in_chans=24, condense_factor=condense_factor)
    for progress, inputs in kept.items():
        layer.training_progress(progress)
        assert layer.mask.sum(1).tolist() == [inputs] * 3
        assert layer.condensed == (inputs == 24 // condense_factor)


def test_each_group_loses_the_inputs_with_the_smallest_weights_and_its_outputs_are_interleaved():
    layer = _layer()
    weight = layer.weight[:, :, 0, 0].detach()
    layer.training_progress(0.2)
    for group in range(3):
        norms = [sum(abs(float(weight[k, j])) for k in range(6) if k % 3 == group) for j in range(12)]
        smallest = sorted(range(12), key=norms.__getitem__)[:3]
        assert [j for j in range(12) if not layer.mask[group, j]] == sorted(smallest)


def test_an_output_does_not_see_what_its_group_has_dropped():
    layer = _layer()
    layer.training_progress(0.5)
    for output in range(6):
        inputs = torch.ones(1, 12, 1, 1, requires_grad=True)
        layer(inputs)[0, output].backward()
        assert inputs.grad is not None
        assert torch.equal(inputs.grad.flatten() != 0, layer.mask[output % 3])


def test_what_is_dropped_does_not_come_back():
    layer = _layer()
    layer.training_progress(0.2)
    first = layer.mask.clone()
    with torch.no_grad():
        layer.weight[layer.mask.repeat(2, 1)[..., None, None] == 0] = 100.0
    layer.training_progress(0.2)
    assert torch.equal(layer.mask, first)
    layer.training_progress(0.5)
    assert layer.condensed and not (layer.mask & ~first).any()
    layer.training_progress(0.0)
    assert layer.condensed


def test_a_training_of_few_steps_drops_all_that_is_due_at_once():
    layer = _layer()
    layer.training_progress(0.5)
    assert layer.condensed


def test_penalty_is_the_group_lasso_of_what_is_left_and_ends_with_the_condensing():
    layer = _layer(lasso=0.5)
    layer.training_progress(0.2)
    weight, expected = layer.weight[:, :, 0, 0].detach(), 0.0
    for group in range(3):
        for j in range(12):
            if layer.mask[group, j]:
                expected += float((weight[group, j] ** 2 + weight[group + 3, j] ** 2).sqrt())
    assert float(layer.penalty().detach()) == pytest.approx(0.5 * expected, rel=1e-5)
    layer.training_progress(0.5)
    assert layer.penalty() == 0


def test_penalty_has_a_slope_at_zero_weights():
    layer = _layer()
    nn.init.zeros_(layer.weight)
    layer.penalty().backward()
    assert layer.weight.grad is not None and torch.isfinite(layer.weight.grad).all()


def test_masks_are_saved():
    layer, again = _layer(), _layer(seed=1)
    layer.training_progress(0.5)
    again.load_state_dict(layer.state_dict())
    assert torch.equal(again.mask, layer.mask) and again.condensed


def test_symbolic_tracing_keeps_the_weight_trainable():
    traced = torch.fx.symbolic_trace(nn.Sequential(_layer()))
    x = torch.randn(2, 12, 3, 3)
    traced(x).sum().backward()
    assert traced.get_parameter("0.weight").grad is not None


def test_the_linear_layer_is_one_group():
    layer = CondensingLinear(8, 5)
    weight = layer.weight.detach()
    layer.training_progress(0.5)
    assert layer.kept_inputs().tolist() == [sorted(weight.abs().sum(0).topk(4).indices.tolist())]
    x = torch.randn(3, 8)
    torch.testing.assert_close(layer(x), x[:, layer.mask[0]] @ weight[:, layer.mask[0]].T + layer.bias)


def test_what_does_not_divide_is_refused():
    with pytest.raises(ValueError, match=r"output channels \(6\) must be a multiple of 4"):
        LearnedGroupConv2d(12, 6, groups=4)
    with pytest.raises(ValueError, match=r"input channels \(12\) must be a multiple of 5"):
        LearnedGroupConv2d(12, 6, groups=3, condense_factor=5)
