import pytest
import torch

from model_compression.distillation.views import random_views


def _views(images, seed=0, **options):
    return random_views(images, generator=torch.Generator().manual_seed(seed), **{"flip": True, **options})


@pytest.mark.parametrize("shape", [(5, 3, 32, 32), (4, 1, 16, 12)])
def test_views_have_the_shape_of_their_images_and_differ(shape):
    images = torch.randn(shape)
    assert _views(images).shape == shape
    assert torch.equal(_views(images, 1), _views(images, 1))
    assert not torch.allclose(_views(images, 1), _views(images, 2))


def test_an_even_image_stays_even():
    views = _views(torch.randn(50, 3, 1, 1).expand(-1, -1, 8, 8))
    torch.testing.assert_close(views, views[:, :, :1, :1].expand_as(views))


def test_a_fifth_becomes_grey():
    views = _views(torch.randn(2000, 3, 4, 4))
    grey = ((views - views.mean(1, keepdim=True)).abs().amax((1, 2, 3)) < 1e-5).float().mean().item()
    assert grey == pytest.approx(0.2, abs=0.04)


def test_crops_keep_their_least_area():
    """On a ramp from -1 to 1 the range of a view is the length of its side."""
    ramp = torch.linspace(-1, 1, 65).view(1, 1, 1, 65).expand(500, 1, 65, 65)
    plain = _views(torch.cat((ramp, ramp.transpose(2, 3)), 1), min_area=0.5, flip=False)
    unjittered = (plain.mean((2, 3)).abs() <= 1).all(1)
    sides = plain.amax((2, 3)) - plain.amin((2, 3))
    assert unjittered.any() and (sides[:, 0] * sides[:, 1]).min() > 0.5 * 4 * 0.6**2 * 0.6**2 * 0.9
    assert (sides <= 2 * 1.4 * 1.4 + 1e-4).all()
