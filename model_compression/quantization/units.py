"""Units of reconstruction: single layers, and blocks (residual sections) found from the graph."""

from dataclasses import dataclass

from model_compression.quantization.graph import QUANTIZE, Layer, QuantizedNetwork, Step

_CHAIN = 3  # layers in a row that make a block where no residual connection does


@dataclass(frozen=True)
class Unit:
    """What is reconstructed at a time.

    Attributes:
        name: of its first layer, and of its last where that is another.
        start, end: the values it reads and computes.
    """

    layers: tuple[Layer, ...]
    start: str
    end: str

    @property
    def name(self) -> str:
        first, last = self.layers[0].name, self.layers[-1].name
        return first if first == last else f"{first} .. {last}"


def layer_units(network: QuantizedNetwork) -> list[Unit]:
    """Return each layer with quantized weights as a unit, in order of execution."""
    return [Unit((layer,), layer.input, layer.result) for layer in network.layers if layer.weight in network.quantizers]


def block_units(network: QuantizedNetwork) -> list[Unit]:
    """Return the blocks of BRECQ (arXiv:2102.05426, section 3.2), in order of execution.

    A section between two values through which everything flows is a block if it branches (a residual connection,
    squeeze-and-excite). Layers in a row join until one has no activation (a linear bottleneck), at most three.
    """
    units, layers, branched = [], [], False
    start = end = network.input
    for section in sections(network):
        names = {step.name for step in section.steps}
        found = [layer for layer in network.layers if layer.name in names and layer.weight in network.quantizers]
        if found and layers and (branched or section.branches or len(layers) >= _CHAIN or _is_linear(layers[-1])):
            units.append(Unit(tuple(layers), start, end))
            layers, start = [], end
            branched = False
        layers += found
        branched |= section.branches and bool(found)
        end = section.end
        if not layers:
            start = end
    return units + ([Unit(tuple(layers), start, end)] if layers else [])


@dataclass(frozen=True)
class Section:
    """The operators between two values through which everything flows.

    Attributes:
        end: the later of the two values.
    """

    steps: tuple[Step, ...]
    end: str

    @property
    def branches(self) -> bool:
        return len(self.steps) > 1


def sections(network: QuantizedNetwork) -> list[Section]:
    """Return the network cut at every value that alone leads from what is before it to what is after it."""
    last_use = {name: number for number, step in enumerate(network.steps) for name in _values(step)}
    last_use[network.output] = len(network.steps)
    found, steps, live = [], [], {network.input}
    for number, step in enumerate(network.steps):
        steps.append(step)
        live.update(step.outputs)
        live = {name for name in live if last_use.get(name, -1) > number}
        if len(live) == 1:
            found.append(Section(tuple(steps), next(iter(live))))
            steps = []
    return found


def steps_between(network: QuantizedNetwork, start: str, end: str) -> list[Step]:
    """Return the operators that compute `end` from `start`, in order."""
    missing, steps = {end}, []
    for step in reversed(network.steps):
        if missing.intersection(step.outputs):
            steps.append(step)
            missing.update(name for name in _values(step) if name != start)
    return steps[::-1]


def activations_after(network: QuantizedNetwork, layer: Layer) -> list[Step]:
    """Return the activations between a layer's output and its result that need no more than their input."""
    steps = [step for step in steps_between(network, layer.output, layer.result) if step.operator != QUANTIZE]
    return steps if all(not any(isinstance(entry, str) for entry in step.inputs[1:]) for step in steps) else []


def _is_linear(layer: Layer) -> bool:
    return layer.result.startswith(layer.output)  # as it is, or behind its quantizer


def _values(step: Step) -> list[str]:
    return [entry for entry in step.inputs if isinstance(entry, str)]
