"""Recipes over toy networks; a real process killed in the middle."""

import copy
import dataclasses
import random
import signal
import subprocess
import sys
import time
from typing import Literal

import pytest
import torch

from model_compression import RecipeError
from model_compression.recipe import STEPS, Step
from model_compression.recipe.pipeline import rightly_classified, run_steps
from model_compression.recipe.steps.train import Train
from model_compression.recipe.structure import Pruned


@STEPS.register("random-weights")
class RandomWeights(Step):
    """Sabotage: forgets everything."""

    step: Literal["random-weights"] = "random-weights"
    max_ratio: None = None

    def apply(self, before, job):
        network = before.spec.build(job.data.num_classes, job.data.in_chans, seed=1).eval()
        return dataclasses.replace(before, network=network, changes=())


@STEPS.register("misalign")
class Misalign(Step):
    """Sabotage: takes one channel from a layer, which the device is slower with."""

    step: Literal["misalign"] = "misalign"

    def apply(self, before, job):
        from model_compression.pruning.channels import channel_groups, prune_channels

        group = channel_groups(before.network, job.shape(before))[-1]
        removed = {group.name: tuple(range(group.multiple))}
        network = prune_channels(before.network, removed, job.shape(before)).eval()
        return dataclasses.replace(before, network=network, changes=(*before.changes, Pruned(removed=removed)))


@STEPS.register("crash")
class Crash(Step):
    """Sabotage: cannot be carried out."""

    step: Literal["crash"] = "crash"

    def apply(self, before, job):
        raise RecipeError("no\nway")

    def softened(self):
        return self


def _run(trained, job, *steps, **more):
    return run_steps(trained, [STEPS.get(step["step"]).model_validate(step) for step in steps], job,
                     provenance="a", **more)  # fmt: skip


@pytest.mark.parametrize("kind", ["random-weights", "misalign", "crash"])
def test_a_sabotaged_step_is_rolled_back_with_its_reason(kind, trained, job):
    state, reports = _run(trained, job, {"step": kind})
    assert state.network is trained.network and state.changes == ()
    assert not reports[0].kept and reports[0].attempts[-1].reason
    assert len(reports[0].attempts) == (3 if kind == "crash" else 1)
    assert "\n" not in reports[0].attempts[-1].reason


def test_a_required_step_that_fails_fails_the_recipe(trained, job):
    with pytest.raises(RecipeError, match="step crash cannot be carried out: no"):
        _run(trained, job, {"step": "crash", "required": True})
    assert not list(job.folder.rglob("*.safetensors"))  # the next call tries again


def test_a_pruned_network_is_faster_and_a_second_call_takes_all_up(trained, job):
    steps = ({"step": "prune", "keep": 0.7, "epochs": 1, "max_drop": 0.1}, {"step": "random-weights"})
    state, reports = _run(trained, job, *steps)
    assert reports[0].kept and state.changes and not reports[1].kept
    before, after = map(job.stopwatch.ms, (trained.network, state.network))
    assert after <= 0.7 * before
    never = copy.copy(job)
    object.__setattr__(never, "stopwatch", None)  # nothing is measured again
    again, same = _run(trained, never, *steps)
    assert same == reports
    for name, tensor in state.network.state_dict().items():
        assert torch.equal(tensor, again.network.state_dict()[name])


def test_those_who_watch_are_told_what_a_step_does(trained, job):
    begun, told = [], []
    watched = dataclasses.replace(job, on_progress=lambda *what: told.append(what))
    _run(trained, watched, {"step": "prune", "keep": 0.7, "epochs": 2, "max_drop": -0.5, "tries": 2},
         on_step_begin=lambda number, step: begun.append((number, step.step)), number_from=1)  # fmt: skip
    assert begun == [(1, "prune")]
    kinds = list(dict.fromkeys(what.split(",")[0] for what, _, _ in told))
    assert kinds == ["widths measured", "epochs", "networks compared", "softer tries"]
    widths = [(done, total) for what, done, total in told if what == "widths measured"]
    first = widths[: widths.index((widths[0][1], widths[0][1])) + 1]
    assert first == sorted(first) and len({total for _, total in first}) == 1
    assert [(done, total) for what, done, total in told if what.startswith("epochs, loss ")] == [(1, 2), (2, 2)] * 2


def test_a_damaged_or_foreign_file_is_made_anew(trained, job):
    step = {"step": "misalign"}
    _run(trained, job, step)
    path = job.folder / "steps" / "0-misalign.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    _, reports = _run(trained, job, step)
    assert not reports[0].kept
    _run(trained, job, step | {"max_drop": 0.5})
    assert len(list((job.folder / "steps").glob("*.safetensors"))) == 1


def _random_steps(rng):
    for _ in range(rng.randint(1, 3)):
        kind = rng.choice(["prune", "prune", "factorize", "misalign", "random-weights"])
        step = {"step": kind, "max_drop": rng.choice([0.0, 0.02, 0.1]), "tries": rng.randint(1, 2)}
        if kind in ("prune", "factorize"):
            step |= {"keep": rng.choice([0.3, 0.5, 0.7, 0.9]), "epochs": 0}
        yield step


def _check_random_recipes(trained, job, count, seed):
    kept = 0
    for number in range(count):
        rng = random.Random(1000 * seed + number)
        own = dataclasses.replace(job, folder=job.folder / str(number))
        state, reports = _run(trained, own, *_random_steps(rng))
        before, after = map(own.stopwatch.ms, (trained.network, state.network))
        lost = rightly_classified(trained, own).float().mean() - rightly_classified(state, own).float().mean()
        stayed = [report for report in reports if report.kept]
        assert after < before if stayed else after == before
        assert lost <= sum(report.attempts[-1].settings["max_drop"] for report in stayed) + 1e-6
        assert not any(report.kept for report in reports if report.step in ("misalign", "random-weights"))
        kept += len(stayed)
    assert kept > 0


def test_no_accepted_step_is_slower_or_breaks_its_gate(trained, job):
    _check_random_recipes(trained, job, 12, seed=0)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_none_of_a_thousand_random_recipes_makes_things_worse(trained, job):
    _check_random_recipes(trained, job, 1000, seed=1)


_SCRIPT = """
import sys
from model_compression import compress
from zoo import get_spec
from zoo.data import load_data
from zoo.training import TrainConfig
spec = get_spec("mobilenetv1_025").at_resolution(16)
data = load_data("digits", resolution=16)
compress(spec, data, recipe="train+train+train+fp32", folder=sys.argv[1], config=TrainConfig(epochs=2))
"""


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_killed_recipe_ends_with_the_same_bytes(tmp_path):
    def start(folder):
        return subprocess.Popen([sys.executable, "-c", _SCRIPT, str(folder)])

    assert start(tmp_path / "whole").wait() == 0
    for seconds in (12, 16, 20):
        process = start(tmp_path / "killed")
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert start(tmp_path / "killed").wait() == 0
    assert (tmp_path / "killed" / "model.onnx").read_bytes() == (tmp_path / "whole" / "model.onnx").read_bytes()


def test_training_is_a_step_too(trained, job):
    state, reports = run_steps(trained, [Train(epochs=1)], job, provenance="a")
    assert reports[0].kept and reports[0].attempts[0].verdict.ms_after is None
    assert state.network is not trained.network
