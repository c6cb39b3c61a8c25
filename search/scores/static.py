"""What a network costs on paper, found without computing anything: the cheapest scores, and limits on them."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from search.errors import SearchError
from zoo import ArchSpec, Network, complexity

_aten = torch.ops.aten
_ACTIVATIONS = ("relu", "hardtanh", "hardswish", "silu", "gelu", "sigmoid", "hardsigmoid")
_POINTWISE = {getattr(_aten, name) for name in _ACTIVATIONS} | {_aten._prelu_kernel}
_ALREADY_IN_PLACE = {getattr(_aten, f"{name}_") for name in _ACTIVATIONS}
_NORMS = {_aten.native_batch_norm, _aten._native_batch_norm_legit_no_training}
# what a runtime folds into the operator before, or computes in the place of its input
_IN_PLACE = _POINTWISE | _NORMS | {_aten.constant_pad_nd}


@dataclass(frozen=True)
class StaticScores:
    """What the shipped form of a network costs on paper.

    Attributes:
        params: learned values.
        macs: multiply-adds for one image.
        peak_memory_bytes: the most that activations take at once, for one image.
        size_bytes: of the weights in a file.
    """

    params: int
    macs: int
    peak_memory_bytes: int
    size_bytes: int


STATIC_LIMITS: dict[str, Callable[[StaticScores], float]] = {
    "params_m": lambda scores: scores.params / 1e6,
    "macs_m": lambda scores: scores.macs / 1e6,
    "peak_memory_mb": lambda scores: scores.peak_memory_bytes / 1e6,
    "size_mb": lambda scores: scores.size_bytes / 1e6,
}


@lru_cache(maxsize=4096)
def static_scores(spec: ArchSpec, num_classes: int, in_chans: int, *, bits: int = 32) -> StaticScores:
    """Return what the shipped form of `spec` costs at its own resolution.

    Args:
        bits: of one weight of a convolution or linear layer, and of one value of an activation. Biases and what is
            left of normalisations stay at 32.
    """
    if not 1 <= bits <= 32:
        raise SearchError(f"bits must be 1 to 32, got {bits}")
    with torch.device("meta"):
        network = Network(spec.deployed(), num_classes, in_chans).eval()
    with _Operators(network) as operators:
        count = complexity(network, (in_chans, spec.resolution, spec.resolution))
    peak = math.ceil(operators.peak_values() * bits / 8)
    return StaticScores(count.params, count.macs, peak, _size_bytes(network, bits))


def _size_bytes(network: nn.Module, bits: int) -> int:
    layers = list(network.modules())
    weights = sum(layer.weight.numel() for layer in layers if isinstance(layer, nn.Conv2d | nn.Linear))
    # folded into the layer before, the scale of a normalisation is gone and its shift is a bias
    scales = sum(layer.weight.numel() for layer in layers if isinstance(layer, nn.BatchNorm2d))
    others = sum(p.numel() for p in network.parameters()) - weights - scales
    return math.ceil(weights * bits / 8) + 4 * others


class _Operators(TorchDispatchMode):
    """Notes what each operator of one pass through a network on the meta device reads and writes.

    Only what depends on the image counts. A place is the address of a storage, so that a view is where its base is.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self._hook = network.register_forward_pre_hook(lambda _, given: self._see(given[0]))
        self._sizes: dict[int, int] = {}  # values in each place
        self._steps: list[tuple[Any, list[int], list[int]]] = []  # operator, places read, places written
        self._kept: list[Any] = []  # an address is used again once its storage is gone

    def _see(self, image: Tensor) -> None:
        self._hook.remove()
        self._sizes |= _values_by_place(image)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        operator = func.overloadpacket
        if operator in _ALREADY_IN_PLACE:
            return args[0]
        # what keeps the shape is not worth asking the meta device, which takes long
        if operator in _POINTWISE:
            outputs = torch.empty_like(args[0])
        elif operator in _NORMS:
            outputs = (torch.empty_like(args[0]), args[0].new_empty(0), args[0].new_empty(0))
        else:
            outputs = func(*args, **(kwargs or {}))
        reads = [place for place in _values_by_place((args, kwargs)) if place in self._sizes]
        if reads:
            writes = _values_by_place(outputs)
            self._kept.append(outputs)
            self._sizes = writes | self._sizes
            self._steps.append((operator, reads, list(writes)))
        return outputs

    def peak_values(self) -> int:
        """Return the most values that live at once.

        A map lives from the operator that writes it to the last one that reads it; the image counts too.
        Normalisations, activations and padding write into the place of their input unless that is read again later.
        """
        sizes, steps = self._sizes, self._steps
        last_use = {place: step for step, (_, reads, writes) in enumerate(steps) for place in (*reads, *writes)}
        image = next(iter(steps))[1][0]
        growth = [sizes[image]] + [0] * len(steps)
        for step, (operator, reads, writes) in enumerate(steps):
            new = sum(sizes[place] for place in writes if place not in reads)
            freed = sum(sizes[place] for place in {*reads, *writes} if last_use[place] == step)
            if operator in _IN_PLACE and last_use[reads[0]] == step:
                new, freed = new - sizes[reads[0]], freed - sizes[reads[0]]  # never both at once
            growth[step] += new
            growth[step + 1] -= freed
        return max(accumulate(growth))


def _values_by_place(tree: Any) -> dict[int, int]:
    """Return the number of values of each floating-point tensor by the address of its storage."""
    tensors = [t for t in tree_leaves(tree) if isinstance(t, Tensor) and t.is_floating_point()]
    return {t.untyped_storage()._cdata: t.numel() for t in tensors}
