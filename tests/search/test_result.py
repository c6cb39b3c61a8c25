import random

from search import Candidate, SearchResult


def test_of_equals_the_faster_is_best(tiny):
    spec = tiny.sample(random.Random(0))
    slow, fast = (Candidate(i, spec, 0.9, ms, 1, 1) for i, ms in enumerate((2.0, 1.0)))
    assert SearchResult((slow, fast), 3.0, 0, {}).best is fast
