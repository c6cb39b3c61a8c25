"""A small search that was really done."""

import copy
import dataclasses
from dataclasses import dataclass
from pathlib import Path

import optuna
import pytest

import zoo
from edgezoo.run import Baseline, RunResult
from edgezoo.settings import RunSettings
from edgezoo.verification import Verified
from model_compression import Accuracies, DeployArtifact, ModelCard
from model_compression.export.artifact import InputFormat
from model_compression.recipe import Attempt, Interval, StepReport, Verdict
from model_compression.sensitivity.measure import sensitivity_report
from search import SearchResult, run_search


@dataclass
class Found:
    """A search's result and its study."""

    result: SearchResult
    study: optuna.Study

    def without_curves(self) -> "Found":
        """Return a copy whose trials have no learning curves."""
        study = optuna.create_study(directions=["maximize", "minimize"])
        for trial in copy.deepcopy(self.study.get_trials()):
            trial.user_attrs.pop("curve", None)
            study.add_trial(trial)
        for name, value in self.study.user_attrs.items():
            study.set_user_attr(name, value)
        return Found(self.result, study)

    def first(self, count: int) -> "Found":
        """Return the same as if only the first candidates had been found."""
        return Found(SearchResult(self.result.candidates[:count], self.result.budget_ms, 0, {}), self.study)


@pytest.fixture(scope="session")
def found(small_space, digits, small_table, tmp_path_factory) -> Found:
    """A search of twelve trials within a budget that about half of the space meets."""
    folder = tmp_path_factory.mktemp("search")
    budget = sorted(o.cost for o in small_table.observations)[12] * small_table.reference_ms
    result = run_search(small_space, digits, small_table, budget, trials=12, storage=folder, epochs=1)
    return Found(result, optuna.load_study(study_name=None, storage=f"sqlite:///{folder / 'study.db'}"))


NASTY_CLASSES = ("<script>alert(1)</script>", "<img src=x onerror=alert(1)>", '"><b>bold', *"3456789")


def _attempt(settings, drop, ms, reason=""):
    (before, after), lost = ms, Interval(value=drop, low=drop - 0.01, high=drop + 0.01)
    times = [Interval(value=value, low=0.99 * value, high=1.01 * value) for value in (before, after)]
    verdict = Verdict(accuracy_before=0.99, accuracy_after=0.99 - drop, drop=lost, ms_before=times[0],
                      ms_after=times[1], reason=reason)  # fmt: skip
    return Attempt(settings={"max_drop": 0.01, "max_ratio": 1.0, "tries": 3, **settings}, verdict=verdict)


@pytest.fixture(scope="session")
def a_run(found, digits, small_table, tmp_path_factory) -> RunResult:
    """A run whose search is `found`: figures of the winner are made up, those of its layers measured."""
    best, budget = found.result.best, found.result.budget_ms
    data = dataclasses.replace(digits, name="folder:<b>mine</b>", classes=NASTY_CLASSES)
    network = zoo.deploy(best.spec.build(10, 1, seed=0)).eval()
    sensitivity = sensitivity_report(
        network, data, resolution=16, name="winner", dtype="fp32", images=32, seconds=3,
        path=tmp_path_factory.mktemp("layers") / "sensitivity.json",
    )  # fmt: skip
    steps = (
        StepReport(step="prune", attempts=(
            _attempt({"keep": 0.7, "method": "knapsack"}, 0.03, (0.2, 0.14), "loses 3.0 points, more than 1"),
            _attempt({"keep": 0.85, "method": "knapsack"}, 0.003, (0.2, 0.17)),
        )),
        StepReport(step="factorize", attempts=(Attempt(settings={"keep": 0.8}, error="no layer <i>can</i> be"),)),
    )  # fmt: skip
    card = ModelCard(
        spec=best.spec, data=data.name, image_size=16, classes=data.classes,
        input=InputFormat(channels=1, resolution=16, mean=(0.1,), std=(0.3,)), recipe="smallest", steps=steps,
        teacher="timm/resnet10t", validation=Accuracies(fp32=0.98), test=Accuracies(fp32=0.975), params=best.params,
        macs=best.macs, predicted_ms=best.predicted_ms, measured_ms=0.9 * best.predicted_ms, measured_p10_ms=0.1,
        measured_p90_ms=0.3, samples_rejected=2, device=small_table.device, versions={"torch": "2.13.0"},
        seeds={"training": 7}, created="2026-01-02T03:04:05+00:00", sha256="ab" * 32,
    )  # fmt: skip
    verified = [
        Verified(trial=c.trial, predicted_ms=c.predicted_ms, measured_ms=c.predicted_ms * (1.02 if c is best else 3.0))
        for c in (best, next(c for c in found.result.candidates if c is not best))
    ]
    settings = RunSettings(data=data.name, runtime="onnxruntime", dtype="fp32", budget_ms=budget, space="small")
    zoo_card = card.model_copy(update={"measured_ms": 3 * best.predicted_ms, "steps": ()})
    return RunResult(
        settings, data, small_table, found.result, verified, best, DeployArtifact(Path("model.onnx"), card),
        [Baseline("mobilenetv1_025", zoo_card)], 120.0, sensitivity,
    )  # fmt: skip
