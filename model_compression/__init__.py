"""Distillation, quantization and export of networks, and the recipe that chains them."""

from model_compression.compress import compress
from model_compression.errors import RecipeError
from model_compression.export.artifact import Accuracies, DeployArtifact, ModelCard
from model_compression.methods import Method, list_methods
from model_compression.recipe import Recipe

__all__ = ["Accuracies", "DeployArtifact", "Method", "ModelCard", "Recipe", "RecipeError", "compress", "list_methods"]
