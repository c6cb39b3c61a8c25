import numpy as np
import pytest
import tensorly
import torch
from tensorly.decomposition import partial_tucker
from torch import nn

from model_compression.low_rank import DECOMPOSITIONS
from model_compression.low_rank.fitting import squared_error
from model_compression.low_rank.layers import effective_weight

TUCKER = DECOMPOSITIONS.get("tucker")()


def test_it_is_as_near_as_tensorlys():
    torch.manual_seed(0)
    conv = nn.Conv2d(10, 12, 3).double()
    weight = conv.weight.detach().numpy()
    for ranks in ((3, 3), (8, 4), (4, 8), (12, 5)):
        found, _ = partial_tucker(weight, rank=ranks, modes=(0, 1), n_iter_max=200, tol=1e-8)
        theirs = np.linalg.norm(tensorly.tenalg.multi_mode_dot(found[0], found[1], modes=(0, 1)) - weight)
        ours = np.linalg.norm(effective_weight(TUCKER.decompose(conv, ranks), conv).numpy() - weight)
        assert ours == pytest.approx(theirs, rel=5e-3)


def test_a_tensor_of_low_rank_is_found_exactly():
    conv = nn.Conv2d(10, 12, 3).double()
    outputs, core, inputs = torch.randn(12, 4), torch.randn(4, 3, 3, 3), torch.randn(10, 3)
    with torch.no_grad():
        conv.weight.copy_(torch.einsum("op,pqab,iq->oiab", outputs, core, inputs))
    small = TUCKER.decompose(conv, (4, 3))
    torch.testing.assert_close(effective_weight(small, conv), conv.weight.detach(), atol=1e-5, rtol=1e-5)


def test_with_a_covariance_no_step_along_a_gradient_makes_it_better_in_the_core_and_the_outputs():
    """The closed form is a stationary point for the input channels that it chose."""
    torch.manual_seed(0)
    conv, mixing = nn.Conv2d(5, 6, 3).double(), torch.randn(45, 45, dtype=torch.float64)
    covariance = mixing @ mixing.T
    regular = covariance + 1e-4 * covariance.diagonal().mean() * torch.eye(45)
    inputs, core, outputs = (layer.weight.detach() for layer in TUCKER.decompose(conv, (3, 3), covariance))
    core.requires_grad_(), outputs.requires_grad_()
    made = torch.einsum("op,pqab,qi->oiab", outputs[:, :, 0, 0], core, inputs[:, :, 0, 0])
    difference = (conv.weight.detach() - made).flatten(1)
    ((difference @ regular) * difference).sum().backward()
    assert core.grad.norm() < 1e-6 * squared_error(conv.weight.detach().flatten(1), regular)
    assert outputs.grad.norm() < 1e-6 * squared_error(conv.weight.detach().flatten(1), regular)
