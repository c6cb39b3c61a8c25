import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from model_compression.errors import QuantizationError
from model_compression.quantization.ranges.histogram import Histogram

_BATCHES = st.lists(hnp.arrays(np.float32, (2, 7), elements=st.floats(-1e6, 1e6, width=32)), min_size=1, max_size=5)


@given(_BATCHES)
def test_no_count_is_lost_and_each_is_in_its_bin(batches):
    histogram = Histogram(2, 64)
    for batch in batches:
        histogram.add(batch)
    values = np.concatenate(batches, axis=1).astype(np.float64)
    for row in range(2):
        assert histogram.counts[row].sum() == values.shape[1]
        largest = np.abs(values[row]).max()
        assert largest <= histogram.limit[row]
        # as many values lie below each border as were counted there, up to those that are on it but for rounding
        slack = 1e-9 * histogram.limit[row]
        below = np.concatenate([[0], histogram.counts[row].cumsum()])
        edges = histogram.edges[row]
        inner = slice(1, -1)
        assert (np.searchsorted(np.sort(values[row]), edges - slack)[inner] <= below[inner]).all()
        assert (below[inner] <= np.searchsorted(np.sort(values[row]), edges + slack, side="right")[inner]).all()


def test_the_same_as_numpys_where_no_border_is_in_doubt():
    random = np.random.default_rng(0)
    batches = [random.normal(size=(1, 1000)) * scale for scale in (1, 3, 0.2, 20)]
    histogram = Histogram(1, 128)
    for batch in batches:
        histogram.add(batch)
    first = np.abs(batches[0]).max()
    assert np.log2(histogram.limit[0] / first) % 1 == 0
    limit = histogram.limit[0]
    assert limit < 2 * max(np.abs(b).max() for b in batches)
    expected, edges = np.histogram(np.concatenate(batches, axis=1), bins=128, range=(-limit, limit))
    assert (histogram.counts[0] == expected).all()
    assert np.allclose(histogram.edges[0], edges)


def test_bins_that_cannot_be_merged_are_refused():
    with pytest.raises(QuantizationError, match="multiple of 4 bins"):
        Histogram(1, 130)
