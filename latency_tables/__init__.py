"""Latencies measured on the device, and tables that predict them for networks never measured.

>>> import latency_tables
>>> "onnxruntime" in latency_tables.RUNTIMES
True
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from latency_tables.build import build_table
    from latency_tables.device import Device, this_device
    from latency_tables.errors import MeasurementError, RuntimeUnavailableError, TableError
    from latency_tables.measurement import Measurement, measure
    from latency_tables.runtimes import RUNTIMES, get_runtime
    from latency_tables.table import Estimate, LatencyTable, Validation, load_table

# found when first asked for: scikit-learn, scipy and onnx take seconds to import
_HOMES = {
    "build_table": "build",
    "Device": "device",
    "this_device": "device",
    "MeasurementError": "errors",
    "RuntimeUnavailableError": "errors",
    "TableError": "errors",
    "Measurement": "measurement",
    "measure": "measurement",
    "RUNTIMES": "runtimes",
    "get_runtime": "runtimes",
    "Estimate": "table",
    "LatencyTable": "table",
    "Validation": "table",
    "load_table": "table",
}

__all__ = [
    "RUNTIMES",
    "Device",
    "Estimate",
    "LatencyTable",
    "Measurement",
    "MeasurementError",
    "RuntimeUnavailableError",
    "TableError",
    "Validation",
    "build_table",
    "get_runtime",
    "load_table",
    "measure",
    "this_device",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'latency_tables' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"latency_tables.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
