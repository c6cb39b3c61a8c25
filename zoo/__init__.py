"""Lightweight networks by name, and the specs that describe them.

>>> import zoo
>>> net = zoo.create_model("ghostnet_100", num_classes=10)
>>> spec = zoo.get_spec("ghostnet_100")
>>> zoo.ArchSpec.from_json(spec.to_json()) == spec
True
"""

from typing import TYPE_CHECKING

from zoo.errors import DataError, EdgezooError, SpecError, TrainingDivergedError, UnknownNameError
from zoo.lazy import lazy_attributes

if TYPE_CHECKING:
    from zoo.catalog import ModelInfo, list_blocks, list_models, model_info
    from zoo.counting import Complexity, complexity
    from zoo.factory import create_model, get_spec
    from zoo.network import Network, deploy
    from zoo.spec import ArchSpec, BlockSpec, HeadSpec
    from zoo.weights import WeightsError, load_model, pull_model, push_model, save_model

# found when first asked for: PyTorch takes a second to import, and the command line does not always need it
_HOMES = {
    "Complexity": "counting",
    "complexity": "counting",
    "create_model": "factory",
    "get_spec": "factory",
    "ModelInfo": "catalog",
    "list_blocks": "catalog",
    "list_models": "catalog",
    "model_info": "catalog",
    "Network": "network",
    "deploy": "network",
    "ArchSpec": "spec",
    "BlockSpec": "spec",
    "HeadSpec": "spec",
    "WeightsError": "weights",
    "load_model": "weights",
    "pull_model": "weights",
    "push_model": "weights",
    "save_model": "weights",
}

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
    "pull_model",
    "push_model",
    "save_model",
]

__getattr__ = lazy_attributes(__name__, _HOMES)
