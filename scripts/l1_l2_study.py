"""L1 against L2: which regulariser leaves a network better after pruning, and which after retraining.

usage: python scripts/l1_l2_study.py [--seeds 8] [--sparsities 0.8 0.9 0.95] [--l1 1e-3] [--l2 5e-4]

Han et al. (arXiv:1506.02626, section 3.1) find that L1 is better straight after pruning and L2 once the rest has been
retrained. A perceptron learns scikit-learn's digits with either, is pruned at once to each sparsity, and is retrained
with the same. Accuracy on the validation images, mean over seeds; the interval (95 %, Student's t) is that of the
difference L1 - L2 of equal seeds.
"""

import argparse
import copy
from collections.abc import Sequence

import numpy as np
import torch
from scipy import stats
from torch import nn

from model_compression.pruning.unstructured.penalties import l1_loss
from model_compression.pruning.unstructured.train_prune_retrain import prune_by_deviation, quality_for
from zoo.data import Splits, load_data
from zoo.training import TrainConfig, accuracy, train

RESOLUTION = 8


def perceptron(seed: int) -> nn.Sequential:
    """Return 64-128-64-10 for the digits at 8 pixels."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)
        )


def study(
    data: Splits, *, seeds: int, sparsities: Sequence[float], l1: float, l2: float, epochs: int
) -> dict[tuple[str, float], np.ndarray]:
    """Return accuracies by regulariser and sparsity: (seeds, 2), after pruning and after retraining."""
    found: dict[tuple[str, float], list[tuple[float, float]]] = {}
    for seed in range(seeds):
        for name, strength, decay in (("L1", l1, 0.0), ("L2", 0.0, l2)):
            config = TrainConfig(epochs=epochs, lr=0.05, weight_decay=decay, seed=seed)
            dense = perceptron(seed)
            train(dense, data, config, resolution=RESOLUTION, loss=l1_loss(dense, strength))
            for share in sparsities:
                network = copy.deepcopy(dense)
                prune_by_deviation(network, quality_for(network, share))
                pruned = accuracy(network, data.val, data, RESOLUTION)
                train(network, data, config, resolution=RESOLUTION, loss=l1_loss(network, strength))
                both = (pruned, accuracy(network, data.val, data, RESOLUTION))
                found.setdefault((name, share), []).append(both)
    return {key: np.array(values) for key, values in found.items()}


def table(found: dict[tuple[str, float], np.ndarray]) -> str:
    """Return the study as Markdown, in percent."""
    lines = ["| sparsity | when | L1 | L2 | L1 - L2 |", "|---|---|---|---|---|"]
    for share in sorted({share for _, share in found}):
        for column, when in enumerate(("pruned", "retrained")):
            l1, l2 = (100 * found[name, share][:, column] for name in ("L1", "L2"))
            difference = l1 - l2
            half = stats.t.ppf(0.975, len(l1) - 1) * stats.sem(difference) if len(l1) > 1 else float("nan")
            lines.append(
                f"| {share:g} | {when} | {l1.mean():.1f} | {l2.mean():.1f} | {difference.mean():+.1f} ± {half:.1f} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Run the study and print its table."""
    parser = argparse.ArgumentParser(description="L1 against L2 before and after retraining a pruned network.")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--sparsities", type=float, nargs="+", default=[0.8, 0.9, 0.95])
    parser.add_argument("--l1", type=float, default=1e-3, help="times the sum of absolute weights")
    parser.add_argument("--l2", type=float, default=5e-4, help="weight decay")
    parser.add_argument("--epochs", type=int, default=12, help="of the training, and of each retraining")
    arguments = vars(parser.parse_args())
    print(table(study(load_data("digits", resolution=RESOLUTION), **arguments)))


if __name__ == "__main__":
    main()
