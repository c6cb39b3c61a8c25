import dataclasses

import pytest
import torch
from torch import nn

from latency_tables.errors import MeasurementError
from model_compression.recipe.stopwatch import MeasuredLatency

_SHAPE = (1, 1, 16, 16)


@pytest.fixture(scope="module")
def stopwatch():
    return MeasuredLatency("onnxruntime", "fp32", seconds_each=0.5)


def test_a_much_larger_network_takes_longer_beyond_doubt(trained, stopwatch):
    wide = [nn.Conv2d(chans, 256, 3, padding=1) for chans in (1, 256, 256)]
    large = nn.Sequential(*wide, nn.Flatten(), nn.Linear(256 * 256, 10)).eval()
    slow = dataclasses.replace(trained, network=large)
    before, after = stopwatch.compare(slow, trained, _SHAPE)
    assert after.high < before.low and before.low <= before.value <= before.high
    with stopwatch.cost(_SHAPE) as cost:
        assert cost(trained.network) < cost(large)


def test_layers_are_timed_by_what_they_see(stopwatch):
    with stopwatch.layer_cost() as cost:
        layer = nn.Conv2d(64, 64, 3, padding=1)
        assert cost(layer, (64, 4, 4)) < cost(layer, (64, 64, 64))


def test_a_network_that_cannot_be_exported_is_one_line(trained, stopwatch):
    class Odd(nn.Module):
        def forward(self, x):
            return torch.linalg.eigvals(x).real

    with pytest.raises(MeasurementError) as error:
        stopwatch.compare(trained, dataclasses.replace(trained, network=Odd()), _SHAPE)
    assert "\n" not in str(error.value)
