"""Factors on readers against weights changed by hand."""

import copy

import torch
from torch import nn

from model_compression.pruning.channels import mask_channels
from model_compression.pruning.masking import fold_factors, ones_but, scale_readers


def test_a_mask_is_a_channel_that_is_not_read(trained, groups, batches) -> None:
    images = batches[0][0]
    removed = {groups[0].name: [1, 5], groups[2].name: [0, 30]}
    expected = mask_channels(trained, removed, groups)(images)
    handles = scale_readers(trained, groups, ones_but(groups, removed).__getitem__, straight_through=True)
    scores = trained(images)
    torch.testing.assert_close(scores, expected)
    # a masked filter goes on learning
    scores.logsumexp(1).sum().backward()
    assert trained[0][0].weight.grad[[1, 5]].abs().amax((1, 2, 3)).min() > 0
    for handle in handles:
        handle.remove()
    assert not torch.allclose(trained(images), expected)


def test_folded_factors_give_the_same(trained: nn.Module, groups, batches) -> None:
    torch.manual_seed(0)
    factors = {group.name: torch.rand(group.size) for group in groups}
    folded = copy.deepcopy(trained)
    fold_factors(folded, groups, factors.__getitem__)
    scale_readers(trained, groups, factors.__getitem__)
    torch.testing.assert_close(folded(batches[0][0]), trained(batches[0][0]), rtol=1e-4, atol=1e-5)
