"""How candidates are scored, cheap to dear."""

from search.scores.short_training import Score, ScoreTask, score_by_training

__all__ = ["Score", "ScoreTask", "score_by_training"]
