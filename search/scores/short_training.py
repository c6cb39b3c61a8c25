"""Validation accuracy after a few epochs."""

from search.scores.task import SCORES, Report, ScoreTask, StoppedEarly
from zoo import ArchSpec
from zoo.data import Splits
from zoo.training import Epoch, accuracy, train


@SCORES.register("training")
def score_by_training(spec: ArchSpec, task: ScoreTask, data: Splits, report: Report) -> float:
    """Return the accuracy after the few epochs of the task's config; stops early where `report` says so."""
    network = spec.build(data.num_classes, data.in_chans, seed=task.config.seed)
    check, values = task.deadline(), []

    def on_epoch(epoch: Epoch) -> None:
        values.append(accuracy(network, data.val, data, spec.resolution))
        if not report(epoch.number, values[-1]) and epoch.number < task.config.epochs:
            raise StoppedEarly

    train(network, data, task.config, resolution=spec.resolution, on_epoch=on_epoch, on_step=check)
    return values[-1]
