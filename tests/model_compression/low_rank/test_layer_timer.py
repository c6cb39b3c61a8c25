import pytest
from torch import nn

from latency_tables.bench import Bench
from model_compression.low_rank.layer_timer import LayerTimer


@pytest.fixture(scope="module")
def bench():
    with Bench("onnxruntime", "fp32") as bench:
        yield bench


def test_larger_layers_take_longer_and_equal_ones_are_measured_once(bench):
    timer = LayerTimer(bench, seconds_each=0.1)
    small = timer(nn.Conv2d(16, 16, 3, padding=1), (16, 14, 14))
    assert timer(nn.Conv2d(64, 256, 3, padding=1), (64, 28, 28)) > 3 * small > 0
    assert timer(nn.Conv2d(16, 16, 3, padding=1), (16, 14, 14)) == small
    assert timer(nn.Linear(64, 10), (64,)) > 0
