"""Latencies measured on the device, and tables that predict them for networks never measured.

>>> import latency_tables
>>> "onnxruntime" in latency_tables.RUNTIMES
True
"""

from typing import TYPE_CHECKING

from zoo.lazy import lazy_attributes

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

__getattr__ = lazy_attributes(__name__, _HOMES)
