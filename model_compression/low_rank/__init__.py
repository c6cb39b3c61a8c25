"""Low-rank decomposition: a layer becomes a few small ones. A new kind is one file with `@DECOMPOSITIONS.register`."""

from model_compression.low_rank.decomposition import DECOMPOSITIONS, Decomposition
from model_compression.low_rank.factorize import Factors, factorize, factorized_structure

__all__ = ["DECOMPOSITIONS", "Decomposition", "Factors", "factorize", "factorized_structure"]
