import pytest

import zoo
from search import SPACES
from zoo.heads import HEADS
from zoo.models import MODELS, ModelEntry

SPACE = SPACES.get("zoo")
NAMES = SPACE.parameters()["network"]


def test_every_network_of_at_most_600_million_macs_with_a_spec_is_a_choice():
    expected = {
        name
        for name in zoo.list_models()
        if isinstance(MODELS.get(name), ModelEntry) and zoo.model_info(name).macs <= 600e6
    }
    assert set(NAMES) == expected and len(NAMES) > 100


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_choice_is_the_published_classifier_and_has_neighbours(name):
    params = {"network": name, "width": 1.0, "depth": 1.0, "dropped_strides": 0, "resolution": 224}
    published = zoo.get_spec(name).at_resolution(224)
    assert SPACE.decode(params).digest == published.digest
    assert not getattr(HEADS.get(published.head.kind), "dense", False)
    neighbours = set()
    for change in ({"width": 0.5}, {"width": 1.25}, {"depth": 0.5}, {"depth": 1.5}, {"dropped_strides": 1}):
        try:
            spec = SPACE.decode(params | change)
        except zoo.SpecError:
            continue
        spec.build(10)
        neighbours.add(spec.digest)
    assert neighbours - {published.digest}
