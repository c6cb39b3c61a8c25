"""What was found, as one HTML file: of a run, of a search, of what a network's layers can take."""

from typing import TYPE_CHECKING

from zoo.lazy import lazy_attributes

if TYPE_CHECKING:
    from edgezoo.report.run_page import write_report
    from edgezoo.report.search_page import write_search_report
    from edgezoo.report.sensitivity_page import write_sensitivity_report

__all__ = ["write_report", "write_search_report", "write_sensitivity_report"]

# found when first asked for: pictures take a second to import
_HOMES = {
    "write_report": "run_page",
    "write_search_report": "search_page",
    "write_sensitivity_report": "sensitivity_page",
}

__getattr__ = lazy_attributes(__name__, _HOMES)
