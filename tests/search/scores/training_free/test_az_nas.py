import numpy as np
import pytest
import torch
from torch import nn

from zoo import ArchSpec, BlockSpec


def convs(*widths: int, stride: int = 1, norm: bool = False, act: str = "none", kernel: int = 1) -> ArchSpec:
    options = {"kernel": kernel, "norm": norm, "act": act}
    first, *others = (BlockSpec(kind="conv", out_chans=width, options=options) for width in widths)
    others = [BlockSpec(kind="conv", out_chans=block.out_chans, stride=stride, options=options) for block in others]
    return ArchSpec(resolution=32, blocks=(first, *others))


def images_of(spec: ArchSpec, count: int = 32):
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(count, 3, spec.resolution, spec.resolution, generator=generator)
    return images, torch.zeros(count, dtype=torch.int64)


def entropies(network: nn.Module, images: torch.Tensor) -> np.ndarray:
    """Return the entropy of each block's principal components, by numpy's singular values."""
    found, network = [], network.train()
    with torch.no_grad():
        for block in network.blocks:
            images = block(images)
            pixels = images.movedim(1, 3).reshape(-1, images.shape[1]).double().numpy()
            variance = np.linalg.svd(pixels - pixels.mean(0), compute_uv=False) ** 2
            share = variance / variance.sum()
            share = share[share > 0]
            found.append(-(share * np.log(share)).sum())
    return np.array(found)


def test_expressivity_and_progressivity_are_entropies_of_principal_components(score):
    spec = convs(8, 12, 6, norm=True, act="relu", kernel=3, stride=2)
    network, (images, labels) = spec.build(5, 3, seed=0), images_of(spec, 8)
    expected = entropies(spec.build(5, 3, seed=0), images)
    assert score("az_expressivity", network, images, labels) == pytest.approx(expected.sum(), rel=1e-4)
    assert score("az_progressivity", network, images, labels) == pytest.approx(np.diff(expected).min(), abs=1e-4)


def test_dead_features_have_no_entropy(score):
    spec = convs(8, 8)
    network = spec.build(5, 3, seed=0)
    nn.init.zeros_(network.blocks[1].conv.weight)
    alive = entropies(spec.build(5, 3, seed=0), images_of(spec)[0])[0]
    assert score("az_expressivity", network, *images_of(spec)) == pytest.approx(alive, rel=1e-4)
    assert score("az_progressivity", network, *images_of(spec)) == pytest.approx(-alive, rel=1e-4)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_trainability_is_best_where_the_spectral_norm_is_one(score, stride, scale):
    spec = convs(8, 8, stride=stride)
    network = spec.build(5, 3, seed=0)
    nn.init.orthogonal_(network.blocks[1].conv.weight, gain=scale)
    expected = 2 - scale - 1 / scale
    # the random signs of 8 channels at many thousand pixels are nearly uncorrelated
    assert score("az_trainability", network, *images_of(spec)) == pytest.approx(expected, abs=0.2)


def test_a_block_that_hands_on_gradients_has_nothing_to_train(score):
    spec = convs(8, 8)
    network = spec.build(5, 3, seed=0)
    nn.init.dirac_(network.blocks[1].conv.weight)
    assert score("az_trainability", network, *images_of(spec)) == float("-inf")
