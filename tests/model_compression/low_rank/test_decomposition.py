import pytest
import torch
import torch.nn.functional as F
from torch import nn

from model_compression.errors import FactorizationError
from model_compression.low_rank import DECOMPOSITIONS
from model_compression.low_rank.covariance import input_covariances
from model_compression.low_rank.decomposition import weight_of
from model_compression.low_rank.layers import effective_weight, relative_error, takes

KINDS = sorted(DECOMPOSITIONS)


@pytest.mark.parametrize("kind", KINDS)
def test_at_full_rank_any_convolution_is_computed(kind, conv):
    way, images = DECOMPOSITIONS.get(kind)(), torch.randn(2, 6, 11, 8)
    small = way.decompose(conv, way.full_ranks(conv))
    torch.testing.assert_close(small(images), conv(images), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_at_full_rank_any_convolution_is_computed_whatever_the_covariance(kind, correlated):
    conv, way = nn.Conv2d(6, 8, 3, padding=1).eval(), DECOMPOSITIONS.get(kind)()
    covariance = input_covariances(conv, correlated[:1], [""])[""]  # of too few images to fill the space
    small = way.decompose(conv, way.full_ranks(conv), covariance)
    torch.testing.assert_close(small(correlated), conv(correlated), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_below_full_rank_it_is_a_convolution_with_the_effective_weight(kind, conv):
    way, images = DECOMPOSITIONS.get(kind)(), torch.randn(2, 6, 11, 8)
    small = way.decompose(conv, way.scaled(conv, 0.4))
    direct = type(conv)(6, 8, 3, conv.stride, conv.padding, conv.dilation, padding_mode=conv.padding_mode)
    direct.same_padding = getattr(conv, "same_padding", False)
    with torch.no_grad():
        direct.weight.copy_(effective_weight(small, conv))
        direct.bias.copy_(torch.zeros(8) if conv.bias is None else conv.bias)
    torch.testing.assert_close(small(images), direct(images), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_the_error_falls_with_the_rank(kind):
    torch.manual_seed(0)
    conv, way = nn.Conv2d(8, 8, 3), DECOMPOSITIONS.get(kind)()
    grid = way.grid(conv, 1)[:6] if kind != "cp" else [(4,), (8,), (16,), (24,)]
    errors = [relative_error(way.decompose(conv, ranks), conv) for ranks in grid]
    assert len(errors) > 2
    assert errors == sorted(errors, reverse=True)
    assert errors[0] < 1


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_fitted_to_images_does_better_on_them(kind, correlated):
    torch.manual_seed(0)
    conv, way = nn.Conv2d(6, 8, 3, padding=1).eval(), DECOMPOSITIONS.get(kind)()
    covariance = input_covariances(conv, correlated[:32], [""], positions=90)[""]
    ranks, held = way.scaled(conv, 0.4), correlated[32:]
    plain, aware = way.decompose(conv, ranks), way.decompose(conv, ranks, covariance)
    assert relative_error(aware, conv, covariance) <= relative_error(plain, conv, covariance)
    errors = [F.mse_loss(small(held), conv(held)).item() for small in (plain, aware)]
    assert errors[1] < (0.9 if kind == "cp" else 0.8) * errors[0]  # on images that the fit did not see


@pytest.mark.parametrize("kind", KINDS)
def test_structure_depends_on_nothing_but_shapes(kind, conv):
    way = DECOMPOSITIONS.get(kind)()
    ranks = way.scaled(conv, 0.4)
    fitted, new = way.decompose(conv, ranks), way.small_layers(conv, ranks)
    images = torch.randn(2, 6, 11, 8)
    new.load_state_dict(fitted.state_dict())
    torch.testing.assert_close(new(images), fitted(images))
    assert str(new) == str(fitted)


def test_layers_that_cannot_be_decomposed_are_refused_in_one_line():
    for kind in KINDS:
        way = DECOMPOSITIONS.get(kind)()
        for layer in (nn.Conv2d(8, 8, 3, groups=8), nn.ReLU(), nn.Conv1d(4, 4, 3), nn.ConvTranspose2d(4, 4, 3)):
            assert not takes(way, layer)
            with pytest.raises(FactorizationError, match=r"groups|neither a plain") as info:
                way.decompose(layer, (1,))
            assert "\n" not in str(info.value)
    with pytest.raises(FactorizationError, match="use svd"):
        DECOMPOSITIONS.get("tucker")().decompose(nn.Conv2d(8, 8, 1), (2, 2))
    with pytest.raises(FactorizationError, match="use svd"):
        DECOMPOSITIONS.get("separable")().decompose(nn.Linear(8, 8), (2,))


@pytest.mark.parametrize("kind", KINDS)
def test_ranks_that_a_layer_cannot_have_are_refused(kind):
    conv, way = nn.Conv2d(6, 8, 3), DECOMPOSITIONS.get(kind)()
    full = way.full_ranks(conv)
    for ranks in ((0, *full[1:]), (full[0] + 1, *full[1:]), (), (*full, 1)):
        with pytest.raises(FactorizationError, match=r"rank"):
            way.decompose(conv, ranks)


def test_weights_and_covariances_that_are_not_finite_or_do_not_fit_are_refused():
    layer, way = nn.Linear(4, 3), DECOMPOSITIONS.get("svd")()
    with pytest.raises(FactorizationError, match=r"covariance of \(3, 3\), where the layer has 4 inputs"):
        way.decompose(layer, (2,), torch.eye(3))
    with pytest.raises(FactorizationError, match="not finite"):
        way.decompose(layer, (2,), torch.full((4, 4), torch.nan))
    nn.init.constant_(layer.weight, torch.inf)
    with pytest.raises(FactorizationError, match="not finite"):
        way.decompose(layer, (2,))


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_of_zeros_stays_one(kind):
    conv, way = nn.Conv2d(6, 8, 3), DECOMPOSITIONS.get(kind)()
    nn.init.zeros_(conv.weight)
    small = way.decompose(conv, way.scaled(conv, 0.4))
    torch.testing.assert_close(small(torch.randn(1, 6, 5, 5)), conv(torch.randn(1, 6, 5, 5)))


def test_what_is_not_trained_and_where_it_lies_is_kept():
    conv, way = nn.Conv2d(6, 8, 3).double().eval(), DECOMPOSITIONS.get("tucker")()
    small = way.decompose(conv, (4, 4))
    assert not small.training
    assert small[1].weight.dtype == torch.float64
    torch.testing.assert_close(effective_weight(way.decompose(conv, (8, 6)), conv), weight_of(conv))
