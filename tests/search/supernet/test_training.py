import random
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from scipy.stats import spearmanr

from search.scores import ScoreTask, score
from search.supernet import Supernet, SupernetConfig, SupernetError, train, train_supernet
from search.supernet.training import add_gradients
from zoo.errors import TrainingDivergedError
from zoo.training import TrainConfig

from .conftest import CONFIG


def _weights(supernet):
    return {name: weight.detach() for name, weight in supernet.named_parameters()}


def _assert_equal(first, second):
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_training_reduces_the_loss_and_all_networks_beat_chance(small_space, digits, networks):
    supernet = Supernet(small_space, digits.num_classes, digits.in_chans)
    history = train(supernet, digits, SupernetConfig(epochs=5, random_networks=1))
    assert history[-1].loss < 0.7 * history[0].loss
    scores = [supernet.score(spec, digits) for spec in networks]
    assert min(scores) > 0.2 and sum(scores) / len(scores) > 0.4, scores  # chance is 0.1


class _StopError(Exception):
    pass


@pytest.mark.parametrize("stop_after", [1, 3])
def test_a_stopped_training_goes_on_to_the_same_weights(trained, small_space, few_digits, tmp_path, stop_after):
    path, seen = tmp_path / "supernet.safetensors", []

    def stop(epoch):
        if epoch.number == stop_after:
            raise _StopError

    with pytest.raises(_StopError):
        train(Supernet(small_space, 10, 1), few_digits, CONFIG, path=path, on_epoch=stop)
    again = Supernet(small_space, 10, 1)
    torch.rand(3)  # another process has another global generator
    history = train(again, few_digits, CONFIG, path=path, on_epoch=seen.append)
    assert [epoch.number for epoch in seen] == list(range(stop_after + 1, 5))
    assert history == trained[2]
    _assert_equal(_weights(again), _weights(trained[0]))
    assert path.stat().st_size == trained[1].stat().st_size


def test_a_finished_training_is_not_repeated(trained, small_space, few_digits):
    seen, supernet = [], Supernet(small_space, 10, 1)
    assert train(supernet, few_digits, CONFIG, path=trained[1], on_epoch=seen.append) == trained[2]
    assert not seen
    _assert_equal(_weights(supernet), _weights(trained[0]))


def test_another_training_does_not_go_on_in_an_old_file(trained, small_space, few_digits):
    with pytest.raises(SupernetError, match="another training"):
        train(Supernet(small_space, 10, 1), few_digits, replace(CONFIG, lr=0.01), path=trained[1])
    with pytest.raises(SupernetError, match="another training"):
        train_supernet(small_space, few_digits, epochs=4, seed=1, path=trained[1])


def test_a_loss_that_is_no_number_is_told(small_space, few_digits, tmp_path):
    path = tmp_path / "supernet.safetensors"
    with pytest.raises(TrainingDivergedError, match="epoch 1"):
        train(Supernet(small_space, 10, 1), few_digits, replace(CONFIG, lr=1e30), path=path)
    assert not path.exists()


def test_gradients_are_added_and_the_others_learn_what_the_largest_says(small_space, digits):
    rng, supernet = random.Random(0), Supernet(small_space, 10, 1).train()
    first, second = small_space.sample(rng), small_space.sample(rng)
    images, labels = digits.train.images[:8].float() / 255, digits.train.labels[:8]
    losses = add_gradients(supernet, [first, second], images, labels)
    added = {name: w.grad.clone() for name, w in supernet.named_parameters() if w.grad is not None}
    supernet.zero_grad()
    with torch.no_grad():
        targets = supernet(images, first).softmax(1)
    cross_entropy = F.cross_entropy(supernet(images, first), labels)
    scores = supernet(images, second)
    divergence = (targets * (targets.log() - scores.log_softmax(1))).sum(1).mean()
    torch.testing.assert_close(losses, torch.stack([cross_entropy, divergence]).detach())
    (cross_entropy + divergence).backward()
    for name, weight in supernet.named_parameters():
        if weight.grad is not None:
            torch.testing.assert_close(added[name], weight.grad, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_scores_rank_networks_somewhat_as_trainings_do(small_space, digits):
    supernet = train_supernet(small_space, digits, epochs=12)
    rng = random.Random(3)
    specs = list({spec.digest: spec for spec in (small_space.sample(rng) for _ in range(20))}.values())
    tasks = [ScoreTask(number, spec.to_json(), TrainConfig(epochs=8)) for number, spec in enumerate(specs)]
    alone = [score(task, digits).accuracy for task in tasks]
    assert spearmanr([supernet.score(spec, digits) for spec in specs], alone).statistic > 0
