import copy

import pytest

from model_compression.errors import PruningError
from model_compression.pruning.unstructured.masks import prunable_weights, sparsity
from model_compression.pruning.unstructured.train_prune_retrain import (
    prune_by_deviation,
    quality_for,
    train_prune_retrain,
)
from zoo.training import TrainConfig


def test_the_threshold_is_a_share_of_each_layers_deviation(convolutional):
    before = prunable_weights(copy.deepcopy(convolutional))
    prune_by_deviation(convolutional, 0.7)
    for name, weight in prunable_weights(convolutional).items():
        expected = before[name].numpy()
        small = abs(expected) < 0.7 * expected.std(ddof=1)
        assert (weight.numpy()[small] == 0).all() and (weight.numpy()[~small] == expected[~small]).all()


@pytest.mark.parametrize("share", [0.0, 0.5, 0.93])
def test_the_quality_for_a_sparsity_gives_it_again_and_again(share, convolutional):
    for wanted in (share / 2, share):
        prune_by_deviation(convolutional, quality_for(convolutional, wanted))
        assert sparsity(convolutional) == pytest.approx(wanted, abs=1 / 1000)


def test_rounds_get_sparser_and_retraining_helps(perceptron, small_digits):
    network = perceptron()
    rounds = train_prune_retrain(
        network, small_digits, TrainConfig(epochs=5), resolution=8, sparsities=(0.6, 0.9),
        retraining=TrainConfig(epochs=3),
    )  # fmt: skip
    assert [round(r.sparsity, 2) for r in rounds] == [0.6, 0.9] and rounds[0].quality < rounds[1].quality
    assert sparsity(network) == rounds[1].sparsity
    assert rounds[1].accuracy > rounds[1].pruned_accuracy


@pytest.mark.parametrize("wrong", [(), (0.5, 0.5), (0.9, 0.5), (0.5, 1.0)])
def test_sparsities_that_do_not_rise_are_met_before_any_training(wrong, perceptron, small_digits):
    with pytest.raises(PruningError, match=r"do not rise|not a share"):
        train_prune_retrain(perceptron(), small_digits, TrainConfig(epochs=99), resolution=8, sparsities=wrong)
    with pytest.raises(PruningError, match="quality nan is not a number of standard deviations"):
        prune_by_deviation(perceptron(), float("nan"))


@pytest.mark.slow
def test_several_rounds_beat_one_at_ninety_percent(perceptron, small_digits):
    """With as many epochs of retraining in all, three seeds."""
    gained = []
    for seed in range(3):
        many, one = (
            train_prune_retrain(
                perceptron(64, seed=seed), small_digits, TrainConfig(epochs=20, seed=seed), resolution=8,
                sparsities=sparsities, retraining=TrainConfig(epochs=30 // len(sparsities), lr=0.05, seed=seed),
            )[-1]
            for sparsities in ((0.5, 0.75, 0.9), (0.9,))
        )  # fmt: skip
        gained.append(many.accuracy - one.accuracy)
    print("gained", gained)
    assert sum(gained) / 3 > 0
