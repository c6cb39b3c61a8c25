import pytest
import torch
from torch import nn
from torch.ao.pruning import WeightNormSparsifier

from model_compression.errors import PruningError
from model_compression.pruning.unstructured.masks import get_masks, sparsity
from model_compression.pruning.unstructured.n_of_m import n_of_m, prune_n_of_m


def test_two_of_four_are_those_of_torch_ao():
    torch.manual_seed(0)
    own, theirs = nn.Sequential(nn.Linear(16, 12)), nn.Sequential(nn.Linear(16, 12))
    theirs.load_state_dict(own.state_dict())
    sparsifier = WeightNormSparsifier(sparsity_level=1.0, sparse_block_shape=(1, 4), zeros_per_block=2)
    sparsifier.prepare(theirs, [{"tensor_fqn": "0.weight"}])
    sparsifier.step()
    sparsifier.squash_mask()
    assert prune_n_of_m(own) == ["0"]
    assert torch.equal(own[0].weight, theirs[0].weight) and sparsity(own) == 0.5


@pytest.mark.parametrize(("n", "m"), [(1, 4), (2, 4), (4, 8), (3, 4)])
def test_every_group_along_the_input_channels_keeps_its_largest(n, m):
    weight = torch.randn(3, 16, 2, 2, generator=torch.Generator().manual_seed(0))
    mask = n_of_m(weight, n, m)
    for output, start, row, column in torch.cartesian_prod(
        torch.arange(3), torch.arange(0, 16, m), torch.arange(2), torch.arange(2)
    ).tolist():
        group, kept = weight[output, start : start + m, row, column].abs(), mask[output, start : start + m, row, column]
        assert kept.sum() == n and group[kept].min() > group[~kept].max()


def test_layers_whose_inputs_do_not_divide_stay_whole(convolutional):
    assert prune_n_of_m(convolutional) == ["3", "6"]  # the first has one input channel
    assert set(get_masks(convolutional)) == {"3", "6"} and convolutional[0].weight.all()


def test_bad_input_is_met_in_one_line(convolutional):
    for n, m in ((0, 4), (4, 4), (5, 4)):
        with pytest.raises(PruningError, match=f"{n} of every {m} weights cannot be kept"):
            prune_n_of_m(convolutional, n, m)
    with pytest.raises(PruningError, match="no layer of Sequential has a multiple of 64 input channels"):
        prune_n_of_m(convolutional, 2, 64)
