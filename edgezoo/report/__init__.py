"""The evidence of a run as one HTML file."""

from edgezoo.report.page import write_report

__all__ = ["write_report"]
