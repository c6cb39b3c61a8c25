"""Gates against the formulas of their paper, and what they leave."""

import pytest
import torch

from model_compression.pruning.masks import HardConcrete, LatencyPrice, mask_learning
from zoo.training.loop import TrainConfig

from .conftest import SHAPE


def test_gradients_of_the_gates() -> None:
    torch.manual_seed(0)
    gate = HardConcrete(5).double()
    with torch.no_grad():
        gate.log_alpha.copy_(torch.randn(5))
    draws = torch.rand(5).double() * 0.4 + 0.3

    def sample(log_alpha: torch.Tensor) -> torch.Tensor:
        gate._parameters["log_alpha"] = log_alpha  # gradcheck feeds the parameter
        return gate.sample(draws)

    assert torch.autograd.gradcheck(sample, (gate.log_alpha.detach().clone().requires_grad_(),))


def test_how_often_a_gate_is_open() -> None:
    gate = HardConcrete(3)
    with torch.no_grad():
        gate.log_alpha.copy_(torch.tensor([-2.0, 0.0, 2.0]))
    draws = torch.rand(20_000, generator=torch.Generator().manual_seed(0)).clamp(1e-6, 1 - 1e-6)
    opened = torch.stack([gate.sample(draws[i : i + 1].expand(3)) > 0 for i in range(0, 20_000, 10)]).float().mean(0)
    torch.testing.assert_close(opened, gate.open_probability().detach(), atol=0.04, rtol=0)
    torch.testing.assert_close(HardConcrete(2, open_probability=0.9).open_probability(), torch.full((2,), 0.9))


def test_price_between_measured_widths() -> None:
    price = LatencyPrice({"a": {8: 6.0, 16: 10.0}, "b": {4: 9.0, 8: 9.5, 16: 10.0}}, 10.0)
    count = torch.tensor(12.0, requires_grad=True)
    total = price({"a": count, "b": torch.tensor(6.0)})
    assert float(total) == pytest.approx(10 - 2 - 0.75)
    total.backward()
    assert float(count.grad) == pytest.approx(0.5)


def test_gates_are_bought_down_to_the_budget(trained, small_digits, groups, evaluate, batches) -> None:
    network = trained
    steps = {g.name: {1: 10 - 3 * (g.size - 1) / g.size, g.size: 10.0} for g in groups}
    price = LatencyPrice(steps, 10.0)
    pruned = mask_learning(
        network, small_digits, TrainConfig(epochs=8, lr=0.1), price=price, budget_ms=6.5, shape=SHAPE, groups=groups,
        weight=30.0,
    )  # fmt: skip
    kept = {g.name: torch.tensor(float(g.size - len(pruned.removed.get(g.name, ())))) for g in groups}
    assert pruned.removed and float(price(kept)) == pytest.approx(6.5, abs=0.8)
    # the gates lie in the weights of `network` now: removing what is shut changes nothing
    with torch.no_grad():
        assert (network(batches[0][0]) - pruned.network(batches[0][0])).abs().max() < 1e-5
    assert evaluate(pruned.network) > 0.5
