import random

import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import create_trial

from edgezoo.report.choices import choices_figure, choices_of, importances, varying
from search import Candidate, SearchResult

_VALUES = {"for_accuracy": (1, 2, 3, 4), "for_latency": ("a", "b", "c"), "for_nothing": (0.0, 0.25), "fixed": (3,)}


def _search(spec, count):
    """A search in which one choice decides the accuracy, another the latency, a third nothing."""
    rng, candidates = random.Random(0), []
    study = optuna.create_study(directions=["maximize", "minimize"])
    for number in range(count):
        params = {name: rng.choice(values) for name, values in _VALUES.items()}
        accuracy = 0.2 * params["for_accuracy"] + 0.001 * rng.random()
        ms = 1.0 + "abc".index(params["for_latency"]) + 0.001 * rng.random()
        distributions = {name: CategoricalDistribution(values) for name, values in _VALUES.items()}
        study.add_trial(create_trial(values=[accuracy, ms], params=params, distributions=distributions))
        candidates.append(Candidate(number, spec, accuracy, ms, 1, 1))
    return SearchResult(tuple(candidates), 5.0, 0, {}), study


def test_importances_name_the_choice_that_decides(tiny):
    shares = importances(*_search(tiny.sample(random.Random(0)), 200))
    assert "fixed" not in shares
    assert [round(sum(column), 6) for column in zip(*shares.values(), strict=True)] == [1.0, 1.0]
    assert next(iter(shares)) == "for_accuracy" and shares["for_accuracy"][0] > 0.8
    assert shares["for_latency"][1] > 0.8


def test_few_candidates_or_equal_ones_tell_nothing(tiny):
    spec = tiny.sample(random.Random(0))
    assert importances(*_search(spec, 2)) == {} and importances(*_search(spec, 9)) == {}
    result, study = _search(spec, 20)
    alike = tuple(Candidate(c.trial, spec, 1.0, 1.0, 1, 1) for c in result.candidates)
    assert importances(SearchResult(alike, 5.0, 0, {}), study) == {}
    equally_good = tuple(Candidate(c.trial, spec, 1.0, c.predicted_ms, 1, 1) for c in result.candidates)
    shares = importances(SearchResult(equally_good, 5.0, 0, {}), study)
    assert next(iter(shares)) == "for_latency" and all(accuracy == 0 for accuracy, _ in shares.values())


def test_choices_are_those_that_make_the_candidates(found, small_space):
    choices = choices_of(found.result, found.study)
    for candidate, chosen in zip(found.result.candidates, choices, strict=True):
        assert small_space.decode(chosen) == candidate.spec
    assert set(varying(choices)) <= {name for name, values in small_space.parameters().items() if len(values) > 1}


def test_every_line_crosses_an_axis_in_the_room_of_its_value(tiny):
    result, study = _search(tiny.sample(random.Random(0)), 23)
    choices = choices_of(result, study)
    orders = {name: values for name, values in _VALUES.items() if name != "fixed"}
    *groups, best = choices_figure(result.candidates, choices, orders).data
    assert len(groups) == 5
    lines = {}
    for trace in groups:
        heights, texts = list(trace.y), list(trace.text)
        for start in range(0, len(heights), len(orders) + 2):
            lines[int(texts[start].split(":")[0].removeprefix("trial "))] = heights[start : start + len(orders) + 1]
    assert len(lines) == 23
    for number, line in lines.items():
        for height, (name, values) in zip(line, orders.items(), strict=False):
            assert values[int(height * len(values))] == choices[number][name]
    ranked = sorted(lines, key=lambda number: lines[number][-1])
    assert [result.candidates[n].accuracy for n in ranked] == sorted(c.accuracy for c in result.candidates)
    assert list(best.y[:-1]) == pytest.approx(lines[result.best.trial])


def test_a_choice_that_a_candidate_does_not_have_leaves_a_gap(tiny):
    result, _ = _search(tiny.sample(random.Random(0)), 2)
    figure = choices_figure(result.candidates, [{"a": 1}, {"a": 2, "b": 1}], {"a": (1, 2), "b": (1,)})
    assert sum(trace.y.count(None) for trace in figure.data[:-1]) == 3
