"""Train, prune, retrain: weights below a share of their layer's deviation go, and the rest learns again."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from model_compression.errors import PruningError
from model_compression.methods import method
from model_compression.pruning.unstructured.masks import check_sparsity, prunable_weights, set_masks, sparsity
from zoo.data import Splits
from zoo.training import TrainConfig, accuracy, train
from zoo.training.loop import LossFunction


@dataclass(frozen=True)
class Round:
    """One pruning and what the retraining made of it.

    Attributes:
        quality: the threshold is this often the deviation of a layer's weights.
        sparsity: share of zeros, 0..1.
        pruned_accuracy, accuracy: on the validation images, 0..1, before and after retraining.
    """

    quality: float
    sparsity: float
    pruned_accuracy: float
    accuracy: float


@method("train-prune-retrain", "pruning", paper="arXiv:1506.02626")
def train_prune_retrain(
    network: nn.Module,
    data: Splits,
    config: TrainConfig,
    *,
    resolution: int,
    sparsities: Sequence[float] = (0.5, 0.75, 0.9),
    retraining: TrainConfig | None = None,
    loss: LossFunction | None = None,
    exclude: Collection[str] = (),
) -> list[Round]:
    """Train by `config`, then for each of `sparsities`, in order, prune and retrain; in place (Han et al., section 3).

    Args:
        sparsities: rising shares of zeros; a single one is one-shot pruning.
        retraining: each time; by default as the training.
        loss: of all trainings, `l1_loss(network, strength)` for instance; the weight decay of `config` is the L2.

    Raises PruningError for sparsities that do not rise within [0, 1), TrainingDivergedError.
    """
    for share in sparsities:
        check_sparsity(share)
    if not sparsities or list(sparsities) != sorted(set(sparsities)):
        raise PruningError(f"sparsities {tuple(sparsities)} do not rise; give each round more than the one before")
    train(network, data, config, resolution=resolution, loss=loss)
    rounds = []
    for share in sparsities:
        quality = quality_for(network, share, exclude=exclude)
        prune_by_deviation(network, quality, exclude=exclude)
        pruned = accuracy(network, data.val, data, resolution)
        train(network, data, retraining or config, resolution=resolution, loss=loss)
        rounds.append(Round(quality, sparsity(network), pruned, accuracy(network, data.val, data, resolution)))
    return rounds


def prune_by_deviation(network: nn.Module, quality: float, *, exclude: Collection[str] = ()) -> None:
    """Mask the weights whose absolute value is below `quality` times the standard deviation of their layer, in place.

    The deviation is that of the weights that are left. Raises PruningError for a quality that is not at least 0.
    """
    if not quality >= 0:
        raise PruningError(f"quality {quality} is not a number of standard deviations; give 0 or more")
    weights = prunable_weights(network, exclude=exclude)
    set_masks(network, {name: weight.abs() / _deviation(weight) >= quality for name, weight in weights.items()})


def quality_for(network: nn.Module, sparsity: float, *, exclude: Collection[str] = ()) -> float:
    """Return the quality at which `prune_by_deviation` leaves a share `sparsity` of zeros."""
    check_sparsity(sparsity)
    weights = prunable_weights(network, exclude=exclude).values()
    relative = torch.cat([(weight.abs() / _deviation(weight)).flatten() for weight in weights])
    return float(relative.sort().values[round(sparsity * len(relative))])


def _deviation(weight: Tensor) -> Tensor:
    left = weight[weight != 0]
    # of fewer than two weights there is none: any will do
    return left.std().clamp(min=1e-12) if len(left) > 1 else torch.ones(())
