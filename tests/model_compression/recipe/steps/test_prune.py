import pytest
import torch

from model_compression.errors import BudgetError
from model_compression.recipe.steps.prune import Prune
from model_compression.recipe.structure import rebuild


@pytest.mark.parametrize("method", ["knapsack", "netadapt", "uniform"])
def test_the_network_gets_faster_and_its_channels_stay_aligned(method, trained, job):
    after = Prune(method=method, keep=0.6, epochs=0).apply(trained, job)
    before_ms, after_ms = map(job.stopwatch.ms, (trained.network, after.network))
    assert after_ms <= (0.6 if method != "uniform" else 0.9) * before_ms
    widths = {layer.out_channels for layer in after.network.modules() if isinstance(layer, torch.nn.Conv2d)}
    assert all(width % 8 == 0 for width in widths)
    assert trained.changes == () and len(after.changes) == 1


def test_what_is_stored_gives_the_network_again(trained, job, digits):
    after = Prune(keep=0.6, epochs=0).apply(trained, job)
    again = rebuild(after.spec, after.changes, after.network.state_dict(), num_classes=10, in_chans=1, source="here")
    images = torch.rand(2, 1, 16, 16)
    assert torch.equal(again(images), after.network(images))


def test_training_afterwards_brings_accuracy_back(trained, job):
    from model_compression.recipe.pipeline import rightly_classified

    cut, trained_on = (Prune(keep=0.4, epochs=e).apply(trained, job) for e in (0, 3))
    assert rightly_classified(trained_on, job).float().mean() > rightly_classified(cut, job).float().mean()


def test_softer_is_half_of_the_cut_and_ends():
    step, keeps = Prune(keep=0.6), []
    while step := step.softened():
        keeps.append(round(step.keep, 3))
    assert keeps == [0.8, 0.9, 0.95]


def test_a_budget_below_the_narrowest_network_is_one_line(trained, job):
    with pytest.raises(BudgetError, match="above the budget"):
        Prune(keep=0.001, epochs=0).apply(trained, job)
