import pytest
import torch
from torch import nn

from zoo.initialization import initialize

IN, OUT, KERNEL, GROUPS = 32, 64, 5, 4
FAN_IN, FAN_OUT = 25 * IN // GROUPS, 25 * OUT


def filled(scheme, layer):
    torch.manual_seed(0)
    initialize(layer, scheme)
    return layer


def grouped_conv():
    return nn.Conv2d(IN, OUT, KERNEL, groups=GROUPS)


@pytest.mark.parametrize(
    ("scheme", "std"),
    [
        ("tf", (2 / (FAN_OUT / GROUPS)) ** 0.5),
        ("he_fan_out", (2 / FAN_OUT) ** 0.5),
        ("he_fan_in", (2 / FAN_IN) ** 0.5),
        ("shufflenet", 1 / (IN / GROUPS)),
        ("squeezenet", (2 / FAN_IN) ** 0.5),
        ("xavier", (2 / (FAN_IN + FAN_OUT)) ** 0.5),
        ("trunc_normal", 0.02),
        ("pytorch", (1 / (3 * FAN_IN)) ** 0.5),
    ],
)
def test_standard_deviation_is_that_of_the_formula(scheme, std):
    conv = filled(scheme, grouped_conv())
    assert conv.weight.std().item() == pytest.approx(std, rel=0.03)
    assert conv.weight.mean().item() == pytest.approx(0, abs=0.04 * std)
    assert not conv.bias.any()


@pytest.mark.parametrize(
    ("scheme", "bound"),
    [
        ("squeezenet", (6 / FAN_IN) ** 0.5),
        ("xavier", (6 / (FAN_IN + FAN_OUT)) ** 0.5),
        ("pytorch", FAN_IN**-0.5),
    ],
)
def test_uniform_schemes_stay_within_their_bound(scheme, bound):
    weight = filled(scheme, grouped_conv()).weight.abs()
    assert 0.99 * bound < weight.max() <= bound


def test_depthwise_layers_keep_the_size_of_their_signal_under_tf():
    conv = filled("tf", nn.Conv2d(512, 512, 3, padding=1, groups=512, bias=False))
    assert conv.weight.std().item() == pytest.approx((2 / 9) ** 0.5, rel=0.05)


def test_shufflenets_first_convolution_is_small_and_its_depthwise_ones_are_not():
    assert filled("shufflenet", nn.Conv2d(3, 256, 3)).weight.std().item() == pytest.approx(0.01, rel=0.05)
    depthwise = nn.Conv2d(512, 512, 3, groups=512)
    assert filled("shufflenet", depthwise).weight.std().item() == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize(("scheme", "std"), [("tf", 0.01), ("he_fan_out", 0.01), ("trunc_normal", 0.02)])
def test_linear_layers_are_normal_and_their_biases_zero(scheme, std):
    linear = filled(scheme, nn.Linear(200, 100))
    assert linear.weight.std().item() == pytest.approx(std, rel=0.03)
    assert not linear.bias.any()


def test_a_layer_has_the_last_word_even_over_what_is_inside_it():
    class Constant(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(4, 4, 1)

        def init_weights(self):
            nn.init.constant_(self.conv.weight, 3.0)

    network = filled("tf", nn.Sequential(Constant(), nn.Conv2d(4, 4, 1)))
    assert (network[0].conv.weight == 3).all() and not (network[1].weight == 3).any()
