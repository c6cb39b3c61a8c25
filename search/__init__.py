"""Latency-aware search for networks in a declared space."""

from typing import TYPE_CHECKING

from zoo.lazy import lazy_attributes

if TYPE_CHECKING:
    from search.errors import BudgetError, ForeignTableWarning, SearchError
    from search.result import Candidate, SearchResult, load_result
    from search.spaces import SPACES, SearchSpace, Space, Stage
    from search.study import run_search

# found when first asked for: Optuna and PyTorch take seconds to import, and the command line does not always need them
_HOMES = {
    "BudgetError": "errors",
    "ForeignTableWarning": "errors",
    "SearchError": "errors",
    "Candidate": "result",
    "SearchResult": "result",
    "load_result": "result",
    "SPACES": "spaces",
    "SearchSpace": "spaces",
    "Space": "spaces",
    "Stage": "spaces",
    "run_search": "study",
}

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

__getattr__ = lazy_attributes(__name__, _HOMES)
