import random

from search.scores.training_free import training_free_scores
from search.scores.training_free.remembered import remembered_scores


def test_a_network_is_scored_once_as_it_would_be_alone(small_space, digits):
    scores = remembered_scores(small_space, digits, ("nwot", "synflow"))
    params = small_space.sample_params(random.Random(0))
    found = scores(params)
    assert scores(dict(params)) is found
    alone = training_free_scores(small_space.decode(params), digits, names=("nwot", "synflow"), batch_size=32)
    assert found == alone
