"""Lightweight networks by name, and the specs that describe them.

>>> import zoo
>>> net = zoo.create_model("ghostnet_100", num_classes=10)
>>> spec = zoo.get_spec("ghostnet_100")
>>> zoo.ArchSpec.from_json(spec.to_json()) == spec
True
"""

from zoo.complexity import Complexity, complexity
from zoo.errors import DataError, EdgezooError, SpecError, TrainingDivergedError, UnknownNameError
from zoo.factory import create_model, get_spec
from zoo.model_info import ModelInfo, list_blocks, list_models, model_info
from zoo.network import Network, deploy
from zoo.spec import ArchSpec, BlockSpec, HeadSpec
from zoo.weights import WeightsError, load_model, save_model

__all__ = [
    "ArchSpec",
    "BlockSpec",
    "Complexity",
    "DataError",
    "EdgezooError",
    "HeadSpec",
    "ModelInfo",
    "Network",
    "SpecError",
    "TrainingDivergedError",
    "UnknownNameError",
    "WeightsError",
    "complexity",
    "create_model",
    "deploy",
    "get_spec",
    "list_blocks",
    "list_models",
    "load_model",
    "model_info",
    "save_model",
]
