"""Distillation of features and of relations. A new loss is one file here with `@FEATURE_LOSSES.register(name)`."""

from model_compression.distillation.features.base import (
    FEATURE_LOSSES,
    EmbeddingLoss,
    FeatureLoss,
    Features,
    MapLoss,
    Shapes,
)

__all__ = ["FEATURE_LOSSES", "EmbeddingLoss", "FeatureLoss", "Features", "MapLoss", "Shapes"]
