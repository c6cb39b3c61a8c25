"""Layer by layer or block by block, weights are rounded so that the float network's values come out again.

    reconstruct(network, images, method="adaround")      # in place; then write_network

One engine serves AdaRound, AdaQuant, BRECQ and QDrop: units in order of execution, each fed by the network as it is
quantized so far, with the float network's values as targets.
"""

import copy
import hashlib
import time
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from model_compression.errors import QuantizationError
from model_compression.methods import method
from model_compression.quantization.graph import QUANTIZE, QuantizedNetwork
from model_compression.quantization.layer_samples import can_sample, sample_layer
from model_compression.quantization.problems import BlockProblem, LayerProblem, Problem
from model_compression.quantization.quantizer import FakeQuantizer
from model_compression.quantization.rounding import AdaQuant, AdaRound, beta_at, undecided
from model_compression.quantization.units import Unit, block_units, layer_units, sections, steps_between
from zoo.errors import unknown_name
from zoo.weights import WeightsError
from zoo.weights.files import read_tensors, save_tensors

_CHUNK = 16  # images computed in one go


@dataclass(frozen=True)
class Method:
    """What one of the published methods does.

    Attributes:
        rounding: how weights are rounded while it learns.
        blocks: whether units are blocks instead of layers.
        fisher: whether errors of a block's result count by the squared gradient of the loss.
        drop: share of activations that stay float in each step, inside a block and at its start.
        weight_scales, activation_scales: what else is learned.
    """

    rounding: type[AdaRound] | type[AdaQuant]
    blocks: bool = False
    fisher: bool = False
    drop: float = 0.0
    weight_scales: bool = False
    activation_scales: bool = False


METHODS = {
    "adaround": Method(AdaRound),  # arXiv:2004.10568
    "adaquant": Method(AdaQuant, weight_scales=True),  # arXiv:2006.10518
    "brecq": Method(AdaRound, blocks=True, fisher=True, activation_scales=True),  # arXiv:2102.05426
    "qdrop": Method(AdaRound, blocks=True, drop=0.5, activation_scales=True),  # arXiv:2203.05740
}


@dataclass(frozen=True)
class ReconstructionConfig:
    """How long and how fast each unit learns.

    Attributes:
        iterations: steps of one unit.
        samples: positions of a layer's result that are looked at in all, spread over the images.
        batch: positions in one step.
        block_batch: images in one step of a block.
        lr: of rounding, for Adam; in steps of the grid for AdaQuant.
        scale_lr: of learned scales, relative to the scale.
        penalty: weight of the term that drives rounding to a decision, against an error of 1 for nearest rounding.
    """

    iterations: int = 1000
    samples: int = 8192
    batch: int = 512
    block_batch: int = 32
    lr: float = 1e-2
    scale_lr: float = 1e-3
    penalty: float = 10.0
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.iterations, self.samples, self.batch, self.block_batch) < 1:
            raise QuantizationError("reconstruction wants at least one iteration, sample, position and image")


@dataclass(frozen=True)
class UnitReport:
    """What reconstruction did to one unit.

    Attributes:
        number, total: the unit is the number-th of total.
        nearest, learned: squared error on the images, relative to the target's own square, of rounding to nearest and
            of what was learned; equal where learning did not help and nearest rounding stays.
        seconds: it took; 0 for a unit that an earlier run left.
    """

    name: str
    number: int
    total: int
    nearest: float
    learned: float
    seconds: float


@method("adaround", "quantization", paper="arXiv:2004.10568")
@method("adaquant", "quantization", paper="arXiv:2006.10518")
@method("brecq", "quantization", paper="arXiv:2102.05426")
@method("qdrop", "quantization", paper="arXiv:2203.05740")
def reconstruct(
    network: QuantizedNetwork,
    images: Tensor,
    *,
    method: str = "adaround",
    config: ReconstructionConfig | None = None,
    seconds: float | None = None,
    folder: Path | None = None,
    on_unit: Callable[[UnitReport], None] | None = None,
) -> list[UnitReport]:
    """Learn the rounding of all weights of `network`, in place: they are on their grids afterwards.

    Args:
        images: network inputs [N, C, H, W], without labels; a hundred or more.
        method: one of METHODS.
        seconds: time limit. Each unit gets its share of what is left and stops its schedule short, not half-way.
        folder: keeps each finished unit, so that a run that is started again with equal arguments goes on.
        on_unit: called after each unit.

    Equal arguments without `seconds` give equal weights on one machine. Raises UnknownNameError for the method,
    QuantizationError if there are no images.
    """
    if method not in METHODS:
        raise unknown_name("reconstruction method", method, METHODS)
    if not len(images):
        raise QuantizationError("reconstruction learns from images; give at least one")
    if images.ndim == 4:  # twice as fast on CPUs
        images = images.contiguous(memory_format=torch.channels_last)
    config, recipe = config or ReconstructionConfig(), METHODS[method]
    units = (block_units if recipe.blocks else layer_units)(network)
    engine = _Engine(network, images, recipe, config)
    fingerprint = _fingerprint(network, images, method, config) if folder else ""
    deadline = None if seconds is None else time.monotonic() + seconds
    costs = [_cost(network, unit) for unit in units]
    reports = []
    for index, unit in enumerate(units):
        path = folder / f"{index:03d}.safetensors" if folder else None
        report = _load(network, path, fingerprint) if path else None
        if report is None:
            share = None
            if deadline is not None:
                share = max(0.0, deadline - time.monotonic()) * costs[index] / sum(costs[index:])
            report = engine.learn(unit, UnitReport(unit.name, index + 1, len(units), 0, 0, 0), share)
            if path:
                _save(network, unit, path, fingerprint, report)
        reports.append(report)
        if on_unit:
            on_unit(report)
    return reports


class _Engine:
    """Holds the two networks and the values that the next unit needs."""

    def __init__(self, network: QuantizedNetwork, images: Tensor, method: Method, config: ReconstructionConfig) -> None:
        self.network, self.method, self.config = network, method, config
        self.float_network = copy.deepcopy(network)
        self.float_network.quantize_weights(False)
        self.float_network.quantize_activations(False)
        cuts = {section.end for section in sections(network)}
        self.quantized_values = _Values(network, images, cuts)
        self.float_values = _Values(self.float_network, images, cuts)
        self.generator = torch.Generator()

    def learn(self, unit: Unit, report: UnitReport, seconds: float | None) -> UnitReport:
        """Learn one unit; return `report` filled in."""
        started = time.monotonic()
        self.generator.manual_seed(self.config.seed + report.number)  # so that a resumed run goes on as it would have
        problem = self._problem(unit)
        nearest = problem.error()
        learned = start = problem.correct_bias(nearest)
        roundings, scales = self._start(unit), self._scales(unit)
        before = [scale.detach().clone() for scale in scales]
        if start > 0:
            spent = time.monotonic() - started
            self._optimize(problem, roundings, scales, start, None if seconds is None else max(0, seconds - spent))
            for rounding in roundings.values():
                rounding.hard = True
            learned = problem.error()
            if not learned < start:  # worse, or NaN
                self._forget(roundings, scales, before)
                learned = start
        else:
            self._forget(roundings, scales, before)
        self._bake(roundings, scales)
        learned = problem.correct_bias(learned)
        size = problem.size()
        return replace(
            report, nearest=nearest / size, learned=learned / size, seconds=round(time.monotonic() - started, 3)
        )

    def _problem(self, unit: Unit) -> Problem:
        inputs = self.quantized_values.get([unit.start])[unit.start]
        float_inputs = self.float_values.get([unit.start])[unit.start]
        if not self.method.blocks and can_sample(self.network, unit.layers[0], inputs):
            layer = unit.layers[0]
            samples = sample_layer(
                self.float_network, layer, inputs, float_inputs,
                count=self.config.samples, batch=self.config.batch, generator=self.generator,
            )  # fmt: skip
            return LayerProblem(self.network, layer, samples)
        targets = self.float_values.get([unit.end])[unit.end]
        return BlockProblem(
            self.network, unit, inputs, float_inputs, targets,
            float_network=self.float_network, fisher=self.method.fisher, drop=self.method.drop,
            batch=self.config.block_batch, generator=self.generator,
        )  # fmt: skip

    def _start(self, unit: Unit) -> dict[str, AdaRound | AdaQuant]:
        """Give the unit's weights a rounding to learn."""
        roundings = {}
        for key in dict.fromkeys(layer.weight for layer in unit.layers):
            quantizer = self.network.quantizers[key]
            weight = self.network.weights[key].detach()
            scale, zero_point = quantizer.params().expanded(weight)
            low, high = quantizer.grid.qmin - zero_point.max().item(), quantizer.grid.qmax - zero_point.min().item()
            quantizer.rounding = roundings[key] = self.method.rounding(weight / scale, low, high)
        return roundings

    def _scales(self, unit: Unit) -> list[Tensor]:
        """Return the scales that the method learns with this unit, with gradients switched on."""
        scales = []
        if self.method.weight_scales:
            scales += [self.network.quantizers[layer.weight].scale for layer in unit.layers]
        if self.method.activation_scales:
            scales += [quantizer.scale for quantizer in _own_activation_quantizers(self.network, unit)]
        for scale in scales:
            scale.requires_grad_(True)
        return scales

    @torch.no_grad()
    def _forget(self, roundings: Collection[str], scales: list[Tensor], before: list[Tensor]) -> None:
        """Go back to rounding to nearest, where learning did not help."""
        for key in roundings:
            self.network.quantizers[key].rounding = None
        for scale, old in zip(scales, before, strict=True):
            scale.copy_(old)

    @torch.no_grad()
    def _bake(self, roundings: Collection[str], scales: list[Tensor]) -> None:
        """Make the weights what they are rounded to, so that nothing else has to be remembered."""
        for scale in scales:
            scale.requires_grad_(False)
        for key in roundings:
            self.network.weights[key].copy_(self.network.quantizers[key](self.network.weights[key]))
            self.network.quantizers[key].rounding = None

    def _optimize(
        self,
        problem: Problem,
        roundings: dict[str, AdaRound | AdaQuant],
        scales: list[Tensor],
        nearest: float,
        seconds: float | None,
    ) -> None:
        config = self.config
        groups = [{"params": [p for r in roundings.values() for p in r.parameters()], "lr": config.lr}]
        groups += [{"params": [scale], "lr": config.scale_lr * float(scale.detach().mean())} for scale in scales]
        optimizer = torch.optim.Adam(groups, fused=True)
        adarounds = [rounding for rounding in roundings.values() if isinstance(rounding, AdaRound)]
        weights = sum(rounding.logits.numel() for rounding in adarounds)
        started = time.monotonic()
        for iteration in range(config.iterations):
            progress = iteration / config.iterations
            if seconds is not None:
                progress = max(progress, (time.monotonic() - started) / max(seconds, 1e-9))
                if progress >= 1:
                    break
            beta = beta_at(progress)
            loss = problem.loss() / nearest
            if beta is not None:
                for rounding in adarounds:
                    loss = loss + config.penalty * rounding.logits.numel() / weights * undecided(rounding.up(), beta)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


class _Values:
    """Values of a network on all images, computed once on the way from the first to the last unit."""

    def __init__(self, network: QuantizedNetwork, images: Tensor, cuts: Collection[str]) -> None:
        self.network, self.cuts = network, cuts
        self.known = {network.input: images}

    @torch.no_grad()
    def get(self, wanted: list[str]) -> dict[str, Tensor]:
        """Return `wanted`, at or behind all that was asked for before."""
        missing = [name for name in wanted if name not in self.known]
        if missing:
            count = len(next(iter(self.known.values())))
            parts: dict[str, list[Tensor]] = {name: [] for name in missing}
            for first in range(0, count, _CHUNK):
                known = {name: value[first : first + _CHUNK] for name, value in self.known.items()}
                for name, value in self.network.values(missing, known).items():
                    parts[name].append(value)
            for name in missing:
                if name in self.cuts:  # nothing before it is needed again
                    self.known.clear()
                self.known[name] = torch.cat(parts[name])
        return {name: self.known[name] for name in wanted}


def _own_activation_quantizers(network: QuantizedNetwork, unit: Unit) -> list[FakeQuantizer]:
    """Return the activation quantizers that work before the unit's end and nowhere outside it."""
    inside = {step.outputs for step in steps_between(network, unit.start, unit.end)}
    own: dict[str, bool] = {}
    for step in network.steps:
        if step.operator == QUANTIZE:
            within = step.outputs in inside and unit.end not in step.outputs
            own[step.quantizer] = own.get(step.quantizer, True) and within
    return [network.quantizers[key] for key, within in own.items() if within]


def _cost(network: QuantizedNetwork, unit: Unit) -> float:
    """Return about how long a step of the unit takes, for sharing out time: products, and what each step costs."""
    return sum(network.weights[layer.weight].numel() for layer in unit.layers) + 20_000


def _tensors(network: QuantizedNetwork, unit: Unit) -> dict[str, Tensor]:
    """Return all that learning a unit may change, by name."""
    found = {}
    for layer in unit.layers:
        found[f"weights.{layer.weight}"] = network.weights[layer.weight]
        if layer.bias:
            found[f"weights.{layer.bias}"] = network.weights[layer.bias]
    for key, quantizer in network.quantizers.items():
        found[f"quantizers.{key}.scale"] = quantizer.scale
    return found


def _save(network: QuantizedNetwork, unit: Unit, path: Path, fingerprint: str, report: UnitReport) -> None:
    metadata = {name: str(value) for name, value in asdict(report).items()}
    save_tensors(path, _tensors(network, unit), {"fingerprint": fingerprint, **metadata})


@torch.no_grad()
def _load(network: QuantizedNetwork, path: Path, fingerprint: str) -> UnitReport | None:
    """Put a finished unit into `network` and return its report; None where no equal run left it."""
    try:
        tensors, metadata = read_tensors(path)
    except WeightsError:
        return None
    if metadata.pop("fingerprint", None) != fingerprint:
        return None
    own = {**{f"weights.{k}": v for k, v in network.weights.items()}}
    own |= {f"quantizers.{key}.scale": quantizer.scale for key, quantizer in network.quantizers.items()}
    for name, tensor in tensors.items():
        own[name].copy_(tensor)
    numbers = {name: float(metadata[name]) for name in ("nearest", "learned")}
    return UnitReport(metadata["name"], int(metadata["number"]), int(metadata["total"]), **numbers, seconds=0.0)


def _fingerprint(network: QuantizedNetwork, images: Tensor, method: str, config: ReconstructionConfig) -> str:
    """Return what tells this run from others: network, images and settings."""
    digest = hashlib.sha256(f"{method} {config}".encode())
    for key, quantizer in sorted(network.quantizers.items()):
        digest.update(f"{key} {quantizer.grid}".encode())
    for name, tensor in [*network.state_dict().items(), ("images", images)]:
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
