"""Filters that others can stand for."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model_compression.methods import method
from model_compression.pruning.channels import ChannelGroup
from model_compression.pruning.importance import IMPORTANCES, Batches, filters


@IMPORTANCES.register("fpgm")
@method("geometric-median-pruning", "pruning", paper="arXiv:1811.00250")
def fpgm(network: nn.Module, groups: Sequence[ChannelGroup], batches: Batches | None = None) -> dict[str, Tensor]:
    """Sum of a filter's distances to all others of its group: low near the geometric median (arXiv:1811.00250)."""
    scores = {}
    for group in groups:
        rows = torch.cat(list(filters(network, group)), 1)
        scores[group.name] = torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist").sum(1)
    return scores


@IMPORTANCES.register("similarity")
@method("osfp-optimal-score-filter-pruning", "pruning", paper="OSFP, 2022")
def similarity(network: nn.Module, groups: Sequence[ChannelGroup], batches: Batches | None = None) -> dict[str, Tensor]:
    """What sets a filter apart when it goes: of the most similar pair that is left the shorter one goes first.

    The score is 1 - |cosine| to the nearest filter that was left at that time, 0 for a copy and 1 for the last one.
    """
    return {group.name: _distinctness(torch.cat(list(filters(network, group)), 1)) for group in groups}


def _distinctness(rows: Tensor) -> Tensor:
    length = rows.abs().sum(1).tolist()
    unit = F.normalize(rows.double())
    alike = (unit @ unit.T).abs().clamp(max=1).fill_diagonal_(-1)
    scores = torch.ones(len(rows))
    for _ in range(len(rows) - 1):
        first, second = divmod(int(alike.argmax()), len(rows))
        # of two copies the later one goes
        weaker = min((first, second), key=lambda c: (length[c], -c))
        scores[weaker] = 1 - float(alike[first, second])
        alike[weaker], alike[:, weaker] = -1, -1
    return scores
