import pytest
import torch

from zoo.blocks.dynamic_shift_max import DynamicShiftMax
from zoo.initialization import initialize

STARTS = ((1.0, 0.0), (0.5, 0.5))


def coefficients(layer, x):
    """a and b of each fusion, image and channel, by the formula: 2 per fusion, in the order a_1, b_1, a_2, b_2."""
    first, last = layer.fc[0], layer.fc[2]
    hidden = (x.mean((2, 3)) @ first.weight.flatten(1).T + first.bias).clamp(min=0)
    gates = ((hidden @ last.weight.flatten(1).T + last.bias + 3) / 6).clamp(0, 1)
    starts = torch.tensor(layer.starts).flatten().repeat_interleave(layer.chans)
    return (starts + 4 * (gates - 0.5)).view(len(x), -1, 2, layer.chans)


def by_loops(layer, x, groups):
    images, chans = x.shape[:2]
    per_group = chans // groups
    weights = coefficients(layer, x)
    y = torch.empty_like(x)
    for n in range(images):
        for c in range(chans):
            group, place = divmod(c, per_group)
            partner = (group + 1) % groups * per_group + (place + 1) % per_group
            fusions = [a[c] * x[n, c] + b[c] * x[n, partner] for a, b in weights[n]]
            y[n, c] = torch.stack(fusions).amax(0)
    return y


@pytest.mark.parametrize("starts", [STARTS, STARTS[:1]], ids=["max", "fusion"])
@pytest.mark.parametrize("groups", [1, 3, 12])
def test_equals_the_formula_written_with_loops(groups, starts):
    torch.manual_seed(0)
    layer = DynamicShiftMax(12, groups, reduction=3, starts=starts)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(2, 12, 4, 5)
    with torch.no_grad():
        torch.testing.assert_close(layer(x), by_loops(layer, x, groups))


def test_coefficients_depend_on_the_image_and_stay_within_two_of_their_starts():
    torch.manual_seed(0)
    layer = DynamicShiftMax(8, 2, starts=STARTS)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=10)
    moves = coefficients(layer, torch.randn(50, 8, 3, 3)) - torch.tensor(STARTS)[None, :, :, None]
    assert moves.abs().max() == 2 and (moves.std(0) > 0).any()


@pytest.mark.parametrize(
    ("second", "expected"), [((1.0, 0.0), lambda x: x), ((0.0, 0.0), torch.relu), ((-1.0, 0.0), torch.abs)]
)
def test_where_nothing_is_learned_yet_the_starts_decide(second, expected):
    layer = DynamicShiftMax(8, 2, starts=((1.0, 0.0), second))
    for parameter in layer.parameters():
        torch.nn.init.zeros_(parameter)
    x = torch.randn(2, 8, 3, 3)
    torch.testing.assert_close(layer(x), expected(x))


@pytest.mark.parametrize(("chans", "reduction", "squeezed"), [(16, 8, 4), (8, 16, 4), (96, 8, 12), (144, 8, 20)])
def test_hidden_channels_are_a_multiple_of_four(chans, reduction, squeezed):
    assert DynamicShiftMax(chans, 2, reduction=reduction).fc[0].out_channels == squeezed


def test_first_weights_are_those_of_linear_layers_whatever_the_scheme_of_convolutions():
    layer = DynamicShiftMax(512, 2)
    torch.manual_seed(0)
    initialize(layer, "he_fan_out")
    for linear in (layer.fc[0], layer.fc[2]):
        assert linear.weight.std().item() == pytest.approx(0.01, rel=0.02)
        assert not linear.bias.any()


def test_the_shift_travels_with_the_weights():
    layer = DynamicShiftMax(12, 3)
    assert layer.state_dict()["index"].tolist() == [5, 6, 7, 4, 9, 10, 11, 8, 1, 2, 3, 0]
    assert layer.to("meta").index.is_meta


def test_groups_must_divide_the_channels():
    with pytest.raises(ValueError, match="multiple of 5"):
        DynamicShiftMax(12, 5)
