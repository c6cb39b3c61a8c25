"""How candidates are scored, cheap to dear. A new score is one file here with `@SCORES.register(name)`."""

from search.scores.task import SCORES, Report, Score, ScoreTask, StoppedEarly, score

__all__ = ["SCORES", "Report", "Score", "ScoreTask", "StoppedEarly", "score"]
