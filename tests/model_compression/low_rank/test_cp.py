import numpy as np
import pytest
import tensorly
from tensorly.decomposition import parafac
from torch import nn

from model_compression.low_rank import DECOMPOSITIONS
from model_compression.low_rank.cp import NORM_LIMIT, bounded_cp, component_norms, exact_rank


def error(factors, tensor):
    return np.linalg.norm(tensorly.cp_to_tensor((None, factors)) - tensor) / np.linalg.norm(tensor)


@pytest.fixture
def tensor():
    return np.random.default_rng(0).standard_normal((12, 8, 3, 3))


@pytest.mark.filterwarnings("ignore:Trying to compute SVD")
def test_it_is_as_near_as_tensorlys(tensor):
    for rank in (4, 12):
        theirs = parafac(tensor, rank, init="svd", n_iter_max=100)
        assert error(bounded_cp(tensor, rank), tensor) <= 1.03 * error(theirs.factors, tensor)


def test_a_tensor_of_low_rank_is_found():
    rng = np.random.default_rng(0)
    made = [rng.standard_normal((size, 3)) for size in (8, 7, 3, 3)]
    tensor = tensorly.cp_to_tensor((None, made))
    assert error(bounded_cp(tensor, 3), tensor) < 1e-2


def test_components_stay_bounded_where_a_best_tensor_of_that_rank_does_not_exist():
    """The sum of a a b, a b a and b a a has rank 3, and tensors of rank 2 come as near as one likes."""
    a, b = np.eye(2)
    tensor = sum(np.einsum("i,j,k->ijk", *vectors) for vectors in ((a, a, b), (a, b, a), (b, a, a)))
    size = np.linalg.norm(tensor)
    plain = parafac(tensor, 2, init="random", random_state=0, n_iter_max=3000, tol=0)
    assert (component_norms(plain.factors) ** 2).sum() > 2 * NORM_LIMIT * size**2
    found = bounded_cp(tensor, 2)
    assert (component_norms(found) ** 2).sum() <= NORM_LIMIT * size**2 * (1 + 1e-9)
    assert error(found, tensor) < 0.5


def test_vectors_of_a_component_are_equally_long(tensor):
    factors = bounded_cp(tensor, 6)
    norms = np.stack([np.linalg.norm(factor, axis=0) for factor in factors])
    np.testing.assert_allclose(norms, np.broadcast_to(norms[:1], norms.shape), rtol=1e-6)


def test_any_tensor_has_an_exact_decomposition_of_bounded_norms(tensor):
    factors = bounded_cp(tensor, exact_rank(tensor.shape))
    assert error(factors, tensor) < 1e-12
    assert (component_norms(factors) ** 2).sum() == pytest.approx(np.linalg.norm(tensor) ** 2)


def test_small_layers_are_pointwise_and_depthwise():
    small = DECOMPOSITIONS.get("cp")().decompose(nn.Conv2d(6, 8, 3, stride=2), (5,))
    assert [(tuple(c.kernel_size), c.groups, c.stride) for c in small] == [
        ((1, 1), 1, (1, 1)),
        ((3, 1), 5, (2, 1)),
        ((1, 3), 5, (1, 2)),
        ((1, 1), 1, (1, 1)),
    ]
