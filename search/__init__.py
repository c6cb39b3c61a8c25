"""Latency-aware search for networks in a declared space."""

from search.errors import BudgetError, ForeignTableWarning, SearchError
from search.result import Candidate, SearchResult, load_result
from search.spaces import SPACES, SearchSpace, Space, Stage
from search.study import run_search

__all__ = [
    "SPACES",
    "BudgetError",
    "Candidate",
    "ForeignTableWarning",
    "SearchError",
    "SearchResult",
    "SearchSpace",
    "Space",
    "Stage",
    "load_result",
    "run_search",
]
