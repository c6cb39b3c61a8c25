import math

import pytest

from model_compression.errors import ArtifactError
from model_compression.pruning.samples import labelled_batches
from model_compression.sensitivity.measure import sensitivity_report
from model_compression.sensitivity.report import ACTIONS, load_sensitivity
from model_compression.sensitivity.variants import low_rank_variants, pruned_variants
from zoo import complexity
from zoo.training import predict_scores

from .conftest import Counting

_SHAPE = (1, 1, 16, 16)


def _report(network, digits, **more):
    return sensitivity_report(network, digits, resolution=16, stopwatch=Counting(), images=128, **more)


@pytest.fixture(scope="module")
def report(network, digits, tmp_path_factory):
    path = tmp_path_factory.mktemp("sensitivity") / "report.json"
    found = _report(network, digits, path=path)
    assert load_sensitivity(path) == found
    return found


def test_a_layer_that_does_nothing_takes_any_action_and_others_do_not(report, idle):
    of_idle = [effect for effect in report.effects if effect.layer == idle]
    assert {e.action.kind for e in of_idle} >= {"int8", "weights", "rank"}
    for effect in of_idle:
        if effect.action.kind in ("weights", "rank"):  # what it reads is quantized for it too, with no effect
            assert effect.divergence == pytest.approx(0, abs=1e-6) and effect.accuracy_drop == 0
    worst = report.most_sensitive()[0]
    assert worst != idle
    assert max(e.divergence for e in report.effects if e.layer == worst) > 0.003


def test_every_layer_has_its_bits_and_fewer_bits_damage_more(report):
    names = [layer.name for layer in report.layers]
    assert report.complete and not report.left_out
    for action in ACTIONS[:4]:
        assert [e.layer for e in report.effects if e.action == action] == names
    sums = {action.label: sum(e.divergence for e in report.effects if e.action == action) for action in ACTIONS}
    assert 0 < sums["weights 8 bit"] < sums["weights 4 bit"]
    assert 0 < sums["activations 8 bit"] <= 3 * sums["int8"]
    assert sums["prune 25%"] < sums["prune 50%"] and sums["rank 50%"] < sums["rank 25%"]


def test_int8_saves_what_the_profile_says_and_half_of_it_alone_is_not_timed(report):
    for effect in report.effects:
        timed = effect.action.kind not in ("weights", "activations")
        assert timed == (effect.ms_saved is not None)
        assert effect.ms_saved is None or math.isfinite(effect.ms_saved)


def test_channels_and_ranks_save_what_the_whole_network_takes_less(report, network, digits):
    batches, whole = labelled_batches(digits, resolution=16), complexity(network, _SHAPE[1:]).macs
    assert report.ms == whole / 1e7
    variants = [*pruned_variants(network, _SHAPE, batches, ACTIONS[4:5])]
    variants += low_rank_variants(network, _SHAPE, batches, ACTIONS[5:6])
    assert len(variants) > 4
    for variant in variants:
        effect = report.effect(variant.layer, variant.action)
        assert effect and effect.others == variant.others
        saved = whole - complexity(variant.make(), _SHAPE[1:]).macs
        assert effect.ms_saved == pytest.approx(saved / 1e7) and saved > 0


def test_drops_are_differences_of_accuracies_on_the_images(report, network, digits):
    step = len(digits.val) // 128
    chosen = digits.val.subset(range(0, len(digits.val), step)[:128])
    right = predict_scores(network, chosen, digits, 16).argmax(1) == chosen.labels
    assert report.images == len(chosen) and report.accuracy == pytest.approx(float(right.float().mean()))
    assert report.accuracy > 0.5
    for effect in report.effects:
        assert -1 <= effect.accuracy_drop <= report.accuracy and effect.divergence >= 0
        assert effect.accuracy_drop * len(chosen) == pytest.approx(round(effect.accuracy_drop * len(chosen)), abs=1e-4)


def test_a_report_that_ran_out_of_time_goes_on(report, network, digits, tmp_path):
    path, told = tmp_path / "sensitivity.json", []
    partial = _report(network, digits, path=path, seconds=0)
    assert not partial.complete and load_sensitivity(path) == partial
    assert {e.action.label for e in partial.effects} == {"int8"}
    whole = _report(network, digits, path=path, on_effect=lambda done, total: told.append((done, total)))
    assert whole.effects[0] == partial.effects[0]  # its ms too: nothing is measured again
    assert [(e.layer, e.action, e.divergence) for e in whole.effects] == [
        (e.layer, e.action, e.divergence) for e in report.effects
    ]
    assert [done for done, _ in told] == sorted(done for done, _ in told) and told[0][0] > len(partial.effects)
    assert load_sensitivity(path) == whole and whole.complete
    told.clear()
    assert _report(network, digits, path=path, on_effect=lambda *counts: told.append(counts)) == whole and not told


def test_a_report_of_another_network_begins_anew(network, digits, tmp_path):
    path = tmp_path / "sensitivity.json"
    first = _report(network, digits, path=path, actions=ACTIONS[:1])
    import copy

    other = copy.deepcopy(network)
    next(other.parameters()).data.mul_(1.1)
    second = _report(other, digits, path=path, actions=ACTIONS[:1])
    assert second.made_of != first.made_of and load_sensitivity(path) == second


def test_a_file_of_something_else_is_one_line(network, digits, tmp_path):
    path = tmp_path / "sensitivity.json"
    path.write_text('{"made_of": 1}')
    with pytest.raises(ArtifactError, match=r"is no sensitivity report: made_of: Input should be a valid string"):
        _report(network, digits, path=path)
    with pytest.raises(ArtifactError, match="cannot read"):
        load_sensitivity(tmp_path / "none.json")
