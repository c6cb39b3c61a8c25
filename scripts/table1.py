"""Print the table of networks in docs/table1.md, counted afresh on the meta device.

usage: python scripts/table1.py
"""

import fnmatch
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

import zoo
from zoo.models import MODELS
from zoo.models.baselines import BASELINES

# families of the lightweight networks of the survey's section 6
FAMILIES = (
    "squeezenet*", "squeezenext*", "mobilenet*", "mnasnet*", "efficientnet*", "shufflenet*", "weightnet*",
    "condensenet*", "espnet*", "channelnet*", "igc*", "fbnet*", "proxyless*", "ghostnet*", "regnet*", "micronet*",
)  # fmt: skip


class _Depth(TorchDispatchMode):
    """Follows for each tensor how many layers with weights the longest way to it has."""

    def __init__(self) -> None:
        super().__init__()
        self._of: dict[int, int] = {}
        self._keep: list[Any] = []  # an id is only unique while its tensor lives

    def of(self, tensor: Tensor) -> int:
        return self._of.get(id(tensor), 0)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name in ("convolution", "addmm", "mm"):
            depth = self.of(args[1] if name == "addmm" else args[0]) + 1
        else:
            inputs = list(_tensors(args))
            if name in ("mul", "mul_"):  # a gate of one value a channel is no layer on the way
                largest = max(tensor.numel() for tensor in inputs)
                inputs = [tensor for tensor in inputs if tensor.numel() == largest]
            depth = max(map(self.of, inputs), default=0)
        for tensor in _tensors((out,)):
            self._of[id(tensor)] = depth
        self._keep.append((args, out))
        return out


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


def depth(network: nn.Module, side: int = 224) -> int:
    """Return the layers of a network on the meta device, as its name counts them (VGG-16, ResNet-50, GoogLeNet's 22).

    These are the convolutions and linear layers on the longest way from the image to the scores; the layers that
    compute gates for the channels, as in squeeze-and-excitation, lie beside it.
    """
    with _Depth() as depths, torch.no_grad():
        scores = network.eval()(torch.empty(1, 3, side, side, device="meta"))
    return depths.of(scores)


def row(name: str) -> str:
    """Return the line of one network."""
    with torch.device("meta"):
        if name in BASELINES:
            entry, network = BASELINES[name], BASELINES[name].create(1000, 3)
        else:
            entry, network = MODELS.get(name), zoo.get_spec(name).deployed().build()
    small, large = (zoo.complexity(network, (3, side, side)) for side in (224, 512))
    top1 = "" if entry.reported_top1 is None else f"{entry.reported_top1:.2f}"
    cells = (
        name,
        str(depth(network)),
        f"{small.params * 4 / 2**20:.2f}",
        top1,
        entry.top1_source,
        f"{small.macs / 1e9:.3f}",
        f"{large.macs / 1e9:.3f}",
    )
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Print a header, the baselines, then the lightweight networks family by family."""
    print("| network | layers | parameters MiB fp32 | top-1 % | published by | GMACs at 224 | GMACs at 512 |")
    print("|---|---|---|---|---|---|---|")
    own = [name for name in zoo.list_models() if name not in BASELINES]
    lightweight = (n for pattern in FAMILIES for n in own if fnmatch.fnmatchcase(MODELS.get(n).family, pattern))
    for name in (*BASELINES, *lightweight):
        print(row(name))


if __name__ == "__main__":
    main()
