import torch
from hypothesis import given
from hypothesis import strategies as st

from model_compression.quantization.affine import Grid
from model_compression.quantization.ranges import RANGES


@given(st.lists(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1), min_size=1, max_size=4))
def test_the_ends_of_all_batches(batches):
    estimator = RANGES.get("min-max")(Grid())
    for batch in batches:
        estimator.observe(torch.tensor(batch))
    low, high = estimator.range()
    assert (low.item(), high.item()) == (min(map(min, batches)), max(map(max, batches)))
