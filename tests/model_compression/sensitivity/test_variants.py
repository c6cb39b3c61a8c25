import torch

from model_compression.pruning.channels import channel_groups
from model_compression.pruning.samples import labelled_batches
from model_compression.sensitivity.report import Action
from model_compression.sensitivity.variants import low_rank_variants, pruned_variants

_SHAPE = (1, 1, 16, 16)


def test_channels_go_in_eights_from_one_group_at_a_time(network, digits):
    batches, groups = labelled_batches(digits, resolution=16), channel_groups(network, _SHAPE)
    sizes = {group.name: group.size for group in groups}
    for variant in pruned_variants(network, _SHAPE, batches, [Action(kind="prune", level=0.5)]):
        left = variant.make().get_submodule(variant.layer).weight.shape[0]
        assert left == sizes.pop(variant.layer) / 2 and left % 8 == 0
    assert not sizes
    # a quarter of 16 channels is no multiple of 8
    quarters = [v.layer for v in pruned_variants(network, _SHAPE, batches, [Action(kind="prune", level=0.25)])]
    assert quarters == [group.name for group in groups if group.size >= 32]


def test_a_lower_rank_is_smaller_and_near(network, digits):
    batches, image = labelled_batches(digits, resolution=16), torch.rand(_SHAPE)
    variants = list(low_rank_variants(network, _SHAPE, batches, [Action(kind="rank", level=0.5)]))
    count = sum(p.numel() for p in network.parameters())
    assert variants and not any(isinstance(network.get_submodule(v.layer), torch.nn.BatchNorm2d) for v in variants)
    for variant in variants:
        small = variant.make()
        assert sum(p.numel() for p in small.parameters()) < count
        assert small(image).shape == network(image).shape
