"""A network as it was trained, out of the folder that it ships from."""

from pathlib import Path

from torch import nn

from model_compression.export.artifact import ModelCard
from model_compression.export.verify import read_card
from zoo import deploy
from zoo.weights.files import load_state, read_tensors


def load_trained(path: Path) -> tuple[ModelCard, nn.Module]:
    """Return the card of the model file `path`, and its network: float, branches fused, before any step of a recipe.

    Raises ArtifactError or WeightsError where the card or `weights.safetensors` beside it is missing or of another.
    """
    card, weights = read_card(path), path.with_name("weights.safetensors")
    network = card.spec.build(len(card.classes), card.input.channels)
    state, _ = read_tensors(weights)
    load_state(network, state, str(weights))
    return card, deploy(network.eval()).eval()
