"""What a learned attention lets through."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model_compression.methods import method
from model_compression.pruning.channels import ChannelGroup
from model_compression.pruning.importance import IMPORTANCES, Batches, gathered, need

_STEPS, _RATE, _PENALTY = 60, 0.05, 0.05


@method(
    "fused-pooling-channel-attention", "pruning", paper="channel pruning with fused max-average pooling attention, 2020"
)
class FusedPoolAttention(nn.Module):
    """Channel attention on the mean and the maximum of each map: x * gate(x), (N, C, ...) in and out.

    Both descriptors are added and go through one layer of C / `reduction` and one of C (after CBAM's channel part,
    arXiv:1807.06521, equation 2). At first all gates are equal.
    """

    def __init__(self, chans: int, reduction: int = 4) -> None:
        super().__init__()
        hidden = max(4, chans // reduction)
        self.reduce, self.expand = nn.Linear(chans, hidden), nn.Linear(hidden, chans)
        nn.init.zeros_(self.expand.weight)
        nn.init.constant_(self.expand.bias, 2.0)

    def gate(self, x: Tensor) -> Tensor:
        """(N, C, ...) -> (N, C), 0..1."""
        maps = x.flatten(2) if x.ndim > 2 else x[..., None]
        return torch.sigmoid(self.expand(F.relu(self.reduce(maps.mean(2) + maps.amax(2)))))

    def forward(self, x: Tensor) -> Tensor:
        gate = self.gate(x)
        return x * gate.view(*gate.shape, *(1 for _ in x.shape[2:]))


@IMPORTANCES.register("gate")
def gate(network: nn.Module, groups: Sequence[ChannelGroup], batches: Batches | None = None) -> dict[str, Tensor]:
    """Mean gate of fused max-average pooling attention before the first reader of each group.

    The gates are trained on the frozen network against a price on each: one that helps no score closes.
    """
    batches = need(batches, "gate")
    parts = {group.name: next(s for s in group.slices if s.side == "in") for group in groups}
    network_mode, needed = network.training, [p.requires_grad for p in network.parameters()]
    network.eval().requires_grad_(False)
    attention: dict[str, FusedPoolAttention] = {}
    means: dict[str, Tensor] = {}

    def listen(layer: str) -> torch.utils.hooks.RemovableHandle:
        def attend(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            x = inputs[0]
            if layer not in attention:
                attention[layer] = FusedPoolAttention(x.shape[1]).to(x.device)
            means[layer] = attention[layer].gate(x).mean(0)
            return (attention[layer](x), *inputs[1:])

        return network.get_submodule(layer).register_forward_pre_hook(attend)

    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(0)
        handles = [listen(layer) for layer in dict.fromkeys(part.layer for part in parts.values())]
        try:
            network(batches[0][0])  # makes the gates
            optimizer = torch.optim.Adam([p for a in attention.values() for p in a.parameters()], lr=_RATE)
            for step in range(_STEPS):
                images, labels = batches[step % len(batches)]
                loss = F.cross_entropy(network(images), labels)
                loss = loss + _PENALTY * torch.stack([m.mean() for m in means.values()]).sum()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            total: dict[str, Tensor] = {}
            with torch.no_grad():
                for images, labels in batches:
                    network(images)
                    total = {k: total.get(k, 0) + m * len(labels) for k, m in means.items()}
        finally:
            for handle in handles:
                handle.remove()
            network.train(network_mode)
            for parameter, need_gradient in zip(network.parameters(), needed, strict=True):
                parameter.requires_grad_(need_gradient)
    images = sum(len(labels) for _, labels in batches)
    return {name: gathered(total[part.layer] / images, part).cpu() for name, part in parts.items()}
