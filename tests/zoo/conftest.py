"""Comparing a network of ours with somebody else's: random weights, the same in both, must give the same outputs."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

Compare = Callable[[nn.Module, nn.Module, Tensor], None]


def _scramble(module: nn.Module, images: Tensor) -> None:
    """Give `module` random weights, and the batch-norm statistics of `images` so that no signal dies on the way."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, value in module.named_parameters():
            if value.ndim > 1:
                value.normal_(0, (2 / value[0].numel()) ** 0.5, generator=generator)
            elif name.endswith("weight"):
                value.uniform_(0.5, 1.5, generator=generator)
            else:
                value.normal_(0, 0.2, generator=generator)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.momentum = None  # the plain mean over the batches seen
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(0)
        module.train()(images)
    module.eval()


def _transfer(source: nn.Module, target: nn.Module) -> None:
    """Copy all weights and statistics in the order in which they stand; the shapes must agree one by one."""
    given, wanted = source.state_dict(), target.state_dict()
    assert [tuple(v.shape) for v in given.values()] == [tuple(v.shape) for v in wanted.values()]
    target.load_state_dict(dict(zip(wanted, given.values(), strict=True)))


@pytest.fixture(scope="session")
def scramble() -> Callable[[nn.Module, Tensor], None]:
    """A function that gives a module random weights and fitting batch-norm statistics, in evaluation mode."""
    return _scramble


@pytest.fixture(scope="session")
def assert_same_function() -> Compare:
    """A function that checks that ours computes what the reference computes once it has the reference's weights."""

    def check(reference: nn.Module, ours: nn.Module, images: Tensor) -> None:
        _scramble(reference, images)
        _transfer(reference, ours)
        with torch.no_grad():
            expected, got = reference(images), ours.eval()(images)
        assert expected.std(0).mean() > 1e-2, "the reference does not depend on its input: nothing would be tested"
        torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)

    return check
