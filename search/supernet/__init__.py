"""Shared weights in which a candidate is scored without a training of its own."""

from search.supernet.errors import SupernetError
from search.supernet.files import load_supernet, save_supernet
from search.supernet.recalibration import recalibrate
from search.supernet.supernet import Supernet
from search.supernet.training import SupernetConfig, train, train_supernet

__all__ = [
    "Supernet",
    "SupernetConfig",
    "SupernetError",
    "load_supernet",
    "recalibrate",
    "save_supernet",
    "train",
    "train_supernet",
]
