import pytest
import torch
import torch.nn.functional as F
from torch import nn

from model_compression.errors import PruningError
from model_compression.pruning.unstructured.derivatives import fisher_diagonal, gradient, hessian_diagonal
from model_compression.pruning.unstructured.masks import set_masks


@pytest.fixture
def tiny():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()


@pytest.fixture
def samples():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(6, 3, generator=generator).double(), torch.tensor([0, 1, 1, 0, 1, 0])


def test_the_gradient_of_uneven_batches_is_that_of_all(tiny, samples):
    batches = [(samples[0][part], samples[1][part]) for part in (slice(0, 4), slice(4, 6))]
    found = gradient(tiny, batches)
    F.cross_entropy(tiny(samples[0]), samples[1]).backward()
    for name in ("0", "2"):
        assert torch.allclose(found[name], tiny[int(name)].weight.grad)


def test_the_diagonal_is_that_of_the_whole_hessian(tiny, samples):
    def loss(weight):
        return F.cross_entropy(torch.func.functional_call(tiny, {"0.weight": weight}, samples[0]), samples[1])

    size = tiny[0].weight.numel()
    whole = torch.func.hessian(loss)(tiny[0].weight.detach()).reshape(size, size)
    found = hessian_diagonal(tiny, [samples])["0"]
    assert torch.allclose(found.flatten(), whole.diagonal())


def test_fisher_is_the_mean_of_squared_gradients_of_single_images(tiny, samples):
    total = torch.zeros_like(tiny[0].weight)
    for image, label in zip(*samples, strict=True):
        tiny.zero_grad()
        F.cross_entropy(tiny(image[None]), label[None]).backward()
        total += tiny[0].weight.grad.pow(2)
    assert torch.allclose(fisher_diagonal(tiny, [samples])["0"], total / 6)


def test_hidden_weights_have_the_gradient_they_would_have_if_seen(tiny, samples):
    mask = torch.rand(4, 3) < 0.5
    set_masks(tiny, {"0": mask})
    found = gradient(tiny, [samples])["0"]
    seen = tiny[0].weight.detach().clone().requires_grad_()
    hidden = F.linear(samples[0], seen, tiny[0].bias).tanh()
    F.cross_entropy(tiny[2](hidden), samples[1]).backward()
    assert torch.allclose(found, seen.grad) and found[~mask].all()


def test_nothing_else_changes_and_bad_input_is_met_in_one_line(convolutional, batch):
    before = {name: tensor.clone() for name, tensor in convolutional.state_dict().items()}
    gradient(convolutional, [batch])
    assert convolutional.training and all(p.grad is None for p in convolutional.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in convolutional.state_dict().items())
    with pytest.raises(PruningError, match="no images"):
        gradient(convolutional, [])
    with pytest.raises(PruningError, match="too many for an exact Hessian"):
        hessian_diagonal(nn.Linear(200, 200), [])
