"""Z-scores in place of scores: the student need not learn how large the teacher's scores are."""

from torch import Tensor

from model_compression.methods import method

_EPS = 1e-7


@method("logit-standardization", "distillation", paper="arXiv:2403.01427")
def standardize(scores: Tensor) -> Tensor:
    """Return each row of (N, classes) less its mean and divided by its standard deviation.

    "Logit standardization in knowledge distillation" (arXiv:2403.01427, algorithm 1). Losses whose name ends in `+ls`
    compare such scores; their cross entropy stays that of the raw ones.
    """
    return (scores - scores.mean(1, keepdim=True)) / (scores.std(1, keepdim=True) + _EPS)
