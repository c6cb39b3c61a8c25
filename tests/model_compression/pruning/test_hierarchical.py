"""The order, and the levels."""

from model_compression.pruning.allocation import least_important, uniform
from model_compression.pruning.channels import prune_channels
from model_compression.pruning.hierarchical import Level, hierarchical_channel_pruning
from model_compression.pruning.importance import IMPORTANCES
from zoo.training.loop import TrainConfig, train

from .conftest import SHAPE, make_digit_network


def test_least_sensitive_first_and_trained_between(trained, groups, small_digits, evaluate) -> None:
    seen: list[Level] = []
    kept, l1 = uniform(groups, 0.5), IMPORTANCES.get("l1")
    done = hierarchical_channel_pruning(
        trained, kept, scores=l1, evaluate=evaluate, shape=SHAPE, groups=groups, levels=3, on_level=seen.append,
        tune=lambda n: train(n, small_digits, TrainConfig(epochs=1, lr=0.03), resolution=8),
    )  # fmt: skip
    drops = {}
    for group in groups:
        alone = least_important([group], l1(trained, groups), kept)
        drops[group.name] = evaluate(trained) - evaluate(prune_channels(trained, alone, SHAPE))
    assert done.drops == drops
    assert [name for level in done.levels for name in level.groups] == sorted(drops, key=drops.__getitem__)
    assert seen == list(done.levels) and len(seen) == 3
    assert evaluate(done.network) == seen[-1].trained_accuracy
    at_once = prune_channels(trained, least_important(groups, l1(trained, groups), kept), SHAPE)
    assert seen[-1].trained_accuracy > evaluate(at_once)
    prune_channels(make_digit_network(), done.removed, SHAPE).load_state_dict(done.network.state_dict())
