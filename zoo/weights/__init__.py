"""Weights of networks: files that say what they belong to, and the places where published weights are found."""

from zoo.weights.errors import WeightsError
from zoo.weights.files import load_model, save_model
from zoo.weights.hub import pull_model, push_model

__all__ = ["WeightsError", "load_model", "pull_model", "push_model", "save_model"]
