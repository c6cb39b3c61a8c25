"""Latency-aware search for networks in a declared space."""

import importlib
from typing import TYPE_CHECKING, Any

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


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'search' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"search.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
