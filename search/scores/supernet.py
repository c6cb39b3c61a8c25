"""Validation accuracy with the weights of a supernet."""

from functools import lru_cache
from pathlib import Path

from search.errors import SearchError
from search.scores.task import SCORES, Report, ScoreTask
from search.supernet import Supernet, load_supernet
from zoo import ArchSpec
from zoo.data import Splits


@SCORES.register("supernet")
def score_by_supernet(spec: ArchSpec, task: ScoreTask, data: Splits, report: Report) -> float:
    """Return the accuracy of the candidate's share of the task's supernet; nothing is trained."""
    if not task.supernet:
        raise SearchError("the score 'supernet' needs a trained supernet; see search.supernet.train_supernet")
    path = Path(task.supernet)
    return _load(path, path.stat().st_mtime_ns).score(spec, data)


@lru_cache(maxsize=1)
def _load(path: Path, changed: int) -> Supernet:
    return load_supernet(path)
