"""Latencies measured on the device, and tables that predict them for networks never measured.

>>> import latency_tables
>>> sorted(latency_tables.RUNTIMES)[:1]
['onnxruntime']
"""

from latency_tables.build import build_table
from latency_tables.device import Device, this_device
from latency_tables.errors import MeasurementError, RuntimeUnavailableError, TableError
from latency_tables.measurement import Measurement, measure
from latency_tables.runtimes import RUNTIMES, get_runtime
from latency_tables.table import Estimate, LatencyTable, Validation, load_table

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
