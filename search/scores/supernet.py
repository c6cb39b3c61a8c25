"""Validation accuracy with the weights of a supernet."""

import time

from search.scores.short_training import Score, ScoreTask
from search.supernet import Supernet
from zoo import ArchSpec, complexity
from zoo.data import Splits


def score_by_supernet(
    task: ScoreTask,
    data: Splits,
    *,
    supernet: Supernet,
    recalibration_images: int = 512,
    validation_images: int | None = None,
) -> Score:
    """Classify the validation images with the candidate's share of `supernet`; the task's config is not needed.

    A failure is part of the answer, not raised. See `Supernet.score` for the numbers of images.
    """
    started = time.perf_counter()
    params = macs = 0
    try:
        spec = ArchSpec.from_json(task.spec_json)
        count = complexity(supernet.network(spec), (data.in_chans, spec.resolution, spec.resolution))
        params, macs = count.params, count.macs
        value = supernet.score(
            spec, data, recalibration_images=recalibration_images, validation_images=validation_images
        )
    except Exception as error:  # whatever one candidate does, the others go on
        reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"
        return Score(task.trial, None, params, macs, time.perf_counter() - started, reason)
    return Score(task.trial, value, params, macs, time.perf_counter() - started)
