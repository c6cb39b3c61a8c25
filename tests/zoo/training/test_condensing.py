import torch
from torch import Tensor, nn

import zoo
from zoo.blocks.learned_group_conv import LearnedGroups
from zoo.network import deploy
from zoo.training import TrainConfig, accuracy, train

_SPEC = zoo.ArchSpec(
    resolution=16,
    blocks=(
        {"kind": "conv", "out_chans": 8, "stride": 2},
        {"kind": "condense", "out_chans": 16, "stride": 2},
        {"kind": "condense", "out_chans": 24},
        {"kind": "condense", "out_chans": 40, "options": {"groups": 2, "condense_factor": 8}},
    ),
    head={"kind": "condense"},
    init="he_fan_out",
)


def test_groups_are_learned_in_a_training_and_shipped_after_it(digits):
    network = _SPEC.build(digits.num_classes, digits.in_chans, seed=0)
    history = train(network, digits, TrainConfig(epochs=8, lr=0.3), resolution=16)
    assert history[-1].loss < 0.5 * history[0].loss
    learned = [layer for layer in network.modules() if isinstance(layer, LearnedGroups)]
    factors = [4, 4, 8, 2]
    assert [layer.mask.sum(1).tolist() for layer in learned] == [
        [layer.mask.shape[1] // factor] * len(layer.mask) for layer, factor in zip(learned, factors, strict=True)
    ]
    assert accuracy(network, digits.val, digits, 16) > 0.8  # chance is 0.1
    images = torch.randn(4, 1, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(deploy(network)(images), network(images), atol=1e-5, rtol=1e-5)


class _Listener(nn.Module):
    """Counts the calls, adds 5 to the loss."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[float] = []

    def training_progress(self, progress: float) -> None:
        self.heard.append(progress)

    def penalty(self) -> Tensor:
        return torch.tensor(5.0)

    def forward(self, x: Tensor) -> Tensor:
        return x


def test_layers_hear_of_the_progress_before_each_step_and_add_to_the_loss(digits):
    spec = zoo.ArchSpec(resolution=16, blocks=({"kind": "conv", "out_chans": 8, "stride": 4},))
    listener = _Listener()
    plain, heard = (
        train(nn.Sequential(spec.build(10, 1, seed=0), last), digits, TrainConfig(epochs=1), resolution=16)
        for last in (nn.Identity(), listener)
    )
    steps = -(-len(digits.train) // 64)
    assert listener.heard == [step / steps for step in range(steps)]
    assert abs(heard[0].loss - plain[0].loss - 5) < 0.05
