import pytest
import torch

from model_compression.errors import BudgetError, FactorizationError
from model_compression.recipe.steps.factorize import Factorize
from model_compression.recipe.structure import rebuild


def test_the_network_gets_as_fast_as_asked_and_is_stored(trained, job):
    after = Factorize(keep=0.8, epochs=0).apply(trained, job)
    assert job.stopwatch.ms(after.network) <= 0.8 * job.stopwatch.ms(trained.network)
    again = rebuild(after.spec, after.changes, after.network.state_dict(), num_classes=10, in_chans=1, source="here")
    images = torch.rand(2, 1, 16, 16)
    assert torch.equal(again(images), after.network(images))
    assert after.changes[0].layers


def test_what_cannot_be_done_is_one_line(trained, job):
    with pytest.raises(BudgetError):
        Factorize(keep=0.001).apply(trained, job)
    with pytest.raises(FactorizationError, match="no layer"):
        Factorize(kinds=()).apply(trained, job)


def test_softer_is_half_of_the_cut():
    assert Factorize(keep=0.8).softened().keep == pytest.approx(0.9)
