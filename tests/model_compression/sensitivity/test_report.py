import pytest

from latency_tables import this_device
from model_compression.sensitivity.report import ACTIONS, Action, Effect, LayerFacts, SensitivityReport, with_effects

_INT8, _PRUNE = Action(kind="int8", level=8), Action(kind="prune", level=0.5)


def _effect(layer, action, damage, drop, saved):
    return Effect(layer=layer, action=action, divergence=damage, accuracy_drop=drop, ms_saved=saved)


@pytest.fixture
def report():
    layers = tuple(LayerFacts(name=name, what="conv", params=1) for name in "abc")
    device = this_device("onnxruntime", "int8", 1)
    empty = SensitivityReport(made_of="", network="n", data="d", images=4, accuracy=1, ms=1, device=device,
                              layers=layers, planned=6)  # fmt: skip
    found = [
        _effect("b", _PRUNE, 3.0, 0.5, 0.9),
        _effect("a", _PRUNE, 0.2, 0.01, 0.3),
        _effect("a", _INT8, 0.1, 0.0, 0.2),
        _effect("b", _INT8, 0.0, -0.1, 0.1),
        _effect("c", _INT8, 0.0, 0.0, -0.4),
    ]
    return with_effects(empty, found)


def test_effects_are_in_the_order_of_layers_and_actions(report):
    assert [(e.layer, e.action.kind) for e in report.effects] == [
        ("a", "int8"), ("a", "prune"), ("b", "int8"), ("b", "prune"), ("c", "int8"),
    ]  # fmt: skip
    assert not report.complete and report.actions == (_INT8, _PRUNE)
    assert report.effect("c", _PRUNE) is None and report.effect("b", _PRUNE).divergence == 3.0


def test_a_later_figure_stands_in_place_of_an_earlier_one(report):
    again = with_effects(report, [_effect("b", _PRUNE, 1.0, 0.0, 0.5)])
    assert len(again.effects) == 5 and again.effect("b", _PRUNE).divergence == 1.0


def test_bargains_save_most_and_harm_little(report):
    assert [(e.layer, e.action.kind) for e in report.bargains(max_drop=0.01)] == [("a", "prune"), ("b", "int8")]
    assert [e.action.kind for e in report.bargains(max_drop=0.5)] == ["prune", "prune"]


def test_the_most_sensitive_layer_is_first(report):
    assert report.most_sensitive() == ["b", "a", "c"]


def test_columns_are_named_and_ordered_the_mildest_first():
    assert [action.label for action in ACTIONS[:5]] == [
        "int8", "weights 8 bit", "weights 4 bit", "activations 8 bit", "prune 50%",
    ]  # fmt: skip
