import zlib

import numpy as np
import pytest
import scipy.sparse
import torch
from torch import nn

from model_compression.errors import PruningError
from model_compression.pruning.unstructured.magnitude import prune_by_magnitude
from model_compression.pruning.unstructured.masks import prunable_weights, remove_masks
from model_compression.pruning.unstructured.size import sparse_size


@pytest.mark.parametrize("share", [0.0, 0.5, 0.95])
def test_formats_take_the_bytes_that_scipy_and_numpy_make_of_them(share, convolutional):
    dense = sum(t.numel() * t.element_size() for t in convolutional.state_dict().values())
    prune_by_magnitude(convolutional, share)
    found = sparse_size(convolutional)
    weights = [weight.numpy() for weight in prunable_weights(convolutional).values()]
    other = dense - sum(weight.nbytes for weight in weights)
    csr = [scipy.sparse.csr_array(weight.reshape(len(weight), -1)) for weight in weights]
    assert found.dense == dense
    assert found.csr == other + sum(m.data.nbytes + m.indices.nbytes + m.indptr.nbytes for m in csr)
    assert found.bitmask == other + sum(np.packbits(w != 0).nbytes + w[w != 0].nbytes for w in weights)
    assert found.sparsity == pytest.approx(share, abs=1e-3)


def test_masks_make_no_difference_and_the_argument_keeps_them(convolutional):
    prune_by_magnitude(convolutional, 0.9)
    masked = sparse_size(convolutional)
    assert "parametrizations.weight.original" in str(list(convolutional.state_dict()))
    remove_masks(convolutional)
    assert sparse_size(convolutional) == masked
    tensors = convolutional.state_dict().values()
    assert masked.zlib == sum(len(zlib.compress(tensor.numpy().tobytes(), 9)) for tensor in tensors)


def test_the_sparser_the_smaller_in_every_format():
    torch.manual_seed(0)
    network, sizes = nn.Linear(300, 200), []
    for share in (0.0, 0.5, 0.9):
        prune_by_magnitude(network, share)
        sizes.append(sparse_size(network))
    for name in ("bitmask", "csr", "zlib", "lzma"):
        values = [getattr(size, name) for size in sizes]
        assert values == sorted(values, reverse=True) and values[2] < values[0] / 3
    assert sizes[2].smallest in ("bitmask", "lzma") and sizes[2].dense == sizes[0].dense


def test_half_precision_counts_as_such_and_nothing_to_prune_says_so(convolutional):
    network = convolutional.bfloat16()
    assert sparse_size(network).dense == sum(t.nbytes for t in network.state_dict().values())
    with pytest.raises(PruningError, match="no convolution or linear layer"):
        sparse_size(nn.ReLU())
