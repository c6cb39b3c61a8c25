"""What a unit is to compute, and how far it is from that: for a layer at sampled positions, for a block as a whole."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor

from model_compression.quantization.graph import QUANTIZE, Layer, QuantizedNetwork
from model_compression.quantization.layer_samples import Samples, as_matrices
from model_compression.quantization.quantizer import FakeQuantizer
from model_compression.quantization.units import Unit, steps_between


class Problem(ABC):
    """Errors are sums of squares over a unit's result, per position or image."""

    @abstractmethod
    def loss(self) -> Tensor:
        """Return the error of the next batch, with gradients."""

    @abstractmethod
    def error(self) -> float:
        """Return the error of all samples."""

    @abstractmethod
    def size(self) -> float:
        """Return the error of a unit that computes zeros, by which errors become relative."""

    def correct_bias(self, error: float) -> float:
        """Move the bias by the mean error of each channel, if that lowers `error`; return the new error."""
        return error


class LayerProblem(Problem):
    """|f(W x) - f(W~ x~)|^2 at sampled positions (arXiv:2004.10568, equation 25), f the activation."""

    def __init__(self, network: QuantizedNetwork, layer: Layer, samples: Samples) -> None:
        self.network, self.layer, self.samples = network, layer, samples
        self.quantizer: FakeQuantizer = network.quantizers[layer.weight]
        self.targets = [samples.activate(target) for target in samples.targets]
        self._next = 0

    def _weight(self) -> Tensor:
        quantizer = self.quantizer
        weight = self.network.weights[self.layer.weight].detach()
        if quantizer.rounding is None or quantizer.scale.requires_grad:
            return quantizer(weight)
        # AdaRound starts from values inside the grid, which the quantizer need not clamp again
        return quantizer.rounding() * quantizer.params().expanded(weight)[0]

    def _outputs(self, chunk: int, weight: Tensor) -> Tensor:
        product = as_matrices(weight, self.layer) @ self.samples.inputs[chunk]
        if self.layer.bias is None:
            return product
        return product + self.network.weights[self.layer.bias].detach().reshape(self.layer.groups, -1, 1)

    def loss(self) -> Tensor:
        chunk = self._next
        self._next = (chunk + 1) % len(self.samples.inputs)
        outputs = self.samples.activate(self._outputs(chunk, self._weight()))
        return F.mse_loss(outputs, self.targets[chunk], reduction="sum") / outputs.shape[2]

    @torch.no_grad()
    def error(self) -> float:
        weight = self._weight()
        found = (self.samples.activate(self._outputs(chunk, weight)) for chunk in range(len(self.targets)))
        total = sum(float(F.mse_loss(a, b, reduction="sum")) for a, b in zip(found, self.targets, strict=True))
        return total / self._positions()

    def size(self) -> float:
        return max(sum(float(target.square().sum()) for target in self.targets) / self._positions(), 1e-30)

    @torch.no_grad()
    def correct_bias(self, error: float) -> float:
        if self.layer.bias is None:
            return error
        bias, weight = self.network.weights[self.layer.bias], self._weight()
        before = bias.detach().clone()
        differences = (t - self._outputs(chunk, weight) for chunk, t in enumerate(self.samples.targets))
        bias += (sum(d.sum(2) for d in differences) / self._positions()).reshape(bias.shape)
        after = self.error()
        if after < error:
            return after
        bias.copy_(before)
        return error

    def _positions(self) -> int:
        return sum(target.shape[2] for target in self.targets)


class BlockProblem(Problem):
    """|z - z~|^2 of a block's result z, each value weighed by the Fisher information if wanted.

    BRECQ's equation 10 (arXiv:2102.05426): the squared gradient of the divergence of the network's scores stands in
    for the Hessian. With `drop`, random activations stay float (QDrop, arXiv:2203.05740, equation 7), at the start
    of the block those of the float network.
    """

    def __init__(
        self,
        network: QuantizedNetwork,
        unit: Unit,
        inputs: Tensor,
        float_inputs: Tensor,
        targets: Tensor,
        *,
        float_network: QuantizedNetwork,
        fisher: bool,
        drop: float,
        batch: int,
        generator: torch.Generator,
    ) -> None:
        self.network, self.unit, self.drop, self.batch, self.generator = network, unit, drop, batch, generator
        self.inputs, self.float_inputs, self.targets = inputs, float_inputs, targets
        steps = [step for step in steps_between(network, unit.start, unit.end) if step.operator == QUANTIZE]
        self.inside = {step.quantizer for step in steps if step.outputs[0] != unit.end}
        self.at_end = {step.quantizer for step in steps if step.outputs[0] == unit.end} - self.inside
        self.float_network = float_network
        self.importance = self._importance() if fisher else None

    def _outputs(self, inputs: Tensor, drop: float = 0.0) -> Tensor:
        with _dropping(
            self.network, dict.fromkeys(self.inside, drop) | dict.fromkeys(self.at_end, 1.0), self.generator
        ):
            return self.network.values([self.unit.end], {self.unit.start: inputs})[self.unit.end]

    def _weigh(self, outputs: Tensor, chosen: Tensor) -> Tensor:
        squares = (outputs - self.targets[chosen]).square()
        if self.importance is not None:
            squares = squares * self.importance[chosen]
        return squares.sum() / len(chosen)

    def _importance(self) -> Tensor:
        """Return the squared gradient of KL(float scores || scores with this block quantized), its mean made 1."""
        found = []
        for chosen in torch.arange(len(self.inputs)).split(self.batch):
            with torch.no_grad():
                outputs = self._outputs(self.inputs[chosen])
                target = self._scores(self.targets[chosen])
            outputs.requires_grad_(True)
            divergence = F.kl_div(self._scores(outputs), target, reduction="sum", log_target=True)
            found.append(torch.autograd.grad(divergence, outputs)[0].square())
        importance = torch.cat(found)
        return importance / importance.mean().clamp(min=1e-30)

    def _scores(self, outputs: Tensor) -> Tensor:
        network = self.float_network
        scores = network.values([network.output], {self.unit.end: outputs})[network.output]
        return F.log_softmax(scores, dim=1)

    def loss(self) -> Tensor:
        chosen = torch.randperm(len(self.inputs), generator=self.generator)[: self.batch]
        inputs = self.inputs[chosen]
        if self.drop:
            kept = torch.rand(inputs.shape, generator=self.generator) < self.drop
            inputs = torch.where(kept, self.float_inputs[chosen], inputs)
        return self._weigh(self._outputs(inputs, self.drop), chosen)

    @torch.no_grad()
    def error(self) -> float:
        parts = torch.arange(len(self.inputs)).split(self.batch)
        return sum(float(self._weigh(self._outputs(self.inputs[p]), p)) * len(p) for p in parts) / len(self.inputs)

    @torch.no_grad()
    def size(self) -> float:
        everything = torch.arange(len(self.inputs)).split(self.batch)
        zeros = (float(self._weigh(torch.zeros_like(self.targets[p]), p)) * len(p) for p in everything)
        return max(sum(zeros) / len(self.inputs), 1e-30)

    @torch.no_grad()
    def correct_bias(self, error: float) -> float:
        for layer in self.unit.layers:
            if not layer.bias:
                continue
            bias = self.network.weights[layer.bias]
            before = bias.detach().clone()
            wanted = self._channel_means(self.float_network, layer, self.float_inputs)
            bias += wanted - self._channel_means(self.network, layer, self.inputs)
            after = self.error()
            if after < error:
                error = after
            else:
                bias.copy_(before)
        return error

    def _channel_means(self, network: QuantizedNetwork, layer: Layer, inputs: Tensor) -> Tensor:
        total: Tensor | int = 0
        for part in inputs.split(self.batch):
            outputs = network.values([layer.output], {self.unit.start: part})[layer.output]
            channels_first = outputs.movedim(1 if layer.kind == "conv" else -1, 0).flatten(1)
            total = total + channels_first.mean(1) * len(part)
        return total / len(inputs)


@contextmanager
def _dropping(network: QuantizedNetwork, shares: dict[str, float], generator: torch.Generator) -> Iterator[None]:
    """Let a share of the values pass each of the given quantizers unrounded; they still end where its range does."""

    def hook_for(share: float):
        def hook(quantizer: FakeQuantizer, inputs: tuple[Tensor], outputs: Tensor) -> Tensor:
            scale, zero_point = quantizer.scale.detach(), quantizer.zero_point
            grid = quantizer.grid
            floats = inputs[0].clamp((grid.qmin - zero_point) * scale, (grid.qmax - zero_point) * scale)
            if share >= 1:
                return floats
            return torch.where(torch.rand(outputs.shape, generator=generator) < share, floats, outputs)

        return hook

    hooks = [network.quantizers[key].register_forward_hook(hook_for(share)) for key, share in shares.items() if share]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
