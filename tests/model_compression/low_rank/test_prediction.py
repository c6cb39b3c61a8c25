import numpy as np
import torch
from torch import nn

from model_compression.low_rank import DECOMPOSITIONS
from model_compression.low_rank.layers import relative_error
from model_compression.low_rank.prediction import greedy_subset

PREDICTION, SVD = (DECOMPOSITIONS.get(kind)() for kind in ("prediction", "svd"))


def smooth_layer() -> nn.Linear:
    """A layer whose weights change slowly from input to input, as those of neighbouring pixels do."""
    torch.manual_seed(0)
    layer = nn.Linear(40, 30).double()
    distance = torch.arange(40.0)[:, None] - torch.arange(40.0)
    root = torch.linalg.cholesky(torch.exp(-distance.square() / 50).double() + 1e-6 * torch.eye(40))
    with torch.no_grad():
        layer.weight.copy_(torch.randn(30, 40, dtype=torch.float64) @ root.T)
    return layer


def test_the_error_is_near_that_of_the_svd_and_never_below():
    layer = smooth_layer()
    for rank in (2, 5, 8):
        predicted = relative_error(PREDICTION.decompose(layer, (rank,)), layer)
        best = relative_error(SVD.decompose(layer, (rank,)), layer)
        assert best <= predicted <= (rank + 1) * best  # what the best subset of columns keeps (Deshpande et al., 2006)


def test_most_weights_of_a_smooth_layer_can_be_predicted():
    assert relative_error(PREDICTION.decompose(smooth_layer(), (10,)), smooth_layer()) < 0.02


def test_kept_weights_are_the_layers_own_and_the_prediction_is_not_trained():
    layer = smooth_layer()
    small = PREDICTION.decompose(layer, (6,))
    gaps = (small[1].weight[:, :, None] - layer.weight[:, None]).abs().amax(0)
    assert (gaps.amin(1) < 1e-12).all()
    assert [p.requires_grad for p in small.parameters()] == [False, True, True]


def test_the_subset_is_that_of_pivoted_qr():
    from scipy.linalg import qr

    columns = np.random.default_rng(0).standard_normal((20, 12))
    _, _, pivots = qr(columns, pivoting=True)
    found = greedy_subset(torch.from_numpy(columns.T @ columns), 6)
    np.testing.assert_array_equal(found.numpy(), pivots[:6])
