"""Latency-aware search for networks in a declared space."""

from search.errors import BudgetError, ForeignTableWarning, SearchError
from search.spaces import SPACES, Space, Stage
from search.study import Candidate, SearchResult, run_search

__all__ = [
    "SPACES",
    "BudgetError",
    "Candidate",
    "ForeignTableWarning",
    "SearchError",
    "SearchResult",
    "Space",
    "Stage",
    "run_search",
]
