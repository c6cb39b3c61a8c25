"""PyTorch without compilation, channels last: the speed one has before deploying."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from latency_tables.errors import MeasurementError
from latency_tables.runtimes import RUNTIMES, InputShape, NodeTime, typical_ms
from latency_tables.torch_programs import (
    ProgramRuntime,
    TorchSession,
    example_of,
    forward_of,
    load_program,
    use_threads,
)

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from torch.fx import Node

_WARM_UP_RUNS = 3


class EagerSession(TorchSession):
    """A program whose ATen calls are made one by one, in the order of its graph."""

    def __init__(self, program: "ExportedProgram") -> None:
        super().__init__(forward_of(program), example_of(program))
        # the other nodes are inputs, the output, and picking one of several results
        self._calls = [node for node in program.graph.nodes if hasattr(node.target, "overloadpacket")]

    def profile(self, runs: int) -> list[NodeTime]:
        from torch.profiler import ProfilerActivity, profile

        with profile(activities=[ProfilerActivity.CPU]) as profiler:
            for _ in range(_WARM_UP_RUNS + runs):
                self.run()
        # what a call calls in turn hangs below it
        events = [event for event in profiler.events() or () if event.cpu_parent is None]
        if [event.name for event in events] != [_name(call) for call in self._calls] * (_WARM_UP_RUNS + runs):
            raise MeasurementError("the profile of torch does not follow the network's graph")
        size = len(self._calls)
        return [_node_time(call, events[_WARM_UP_RUNS * size + i :: size]) for i, call in enumerate(self._calls)]


def _name(call: "Node") -> str:
    return call.target.name().partition(".")[0]  # type: ignore[union-attr]


def _node_time(call: "Node", events: list[Any]) -> NodeTime:
    modules = call.meta.get("nn_module_stack") or {"": ("", "")}
    module, _ = list(modules.values())[-1]
    inputs = tuple(shape for node in call.all_input_nodes for shape in _shapes(node))
    ms = typical_ms([event.cpu_time_total / 1000 for event in events])
    return NodeTime(_short(_name(call)), _kernel(events[-1]), module, inputs, _shapes(call), ms)


def _shapes(node: "Node") -> tuple[tuple[int, ...], ...]:
    value = node.meta["val"]
    return tuple(tuple(tensor.shape) for tensor in (value if isinstance(value, (list, tuple)) else (value,)))


def _kernel(event: Any) -> str:
    """Return what an operator came down to: of the operators that it called in turn, the one that took the time."""
    below = max(event.cpu_children, key=lambda child: child.cpu_time_total, default=None)
    if below is None or below.cpu_time_total < event.cpu_time_total / 2:
        return _short(event.name)
    return _kernel(below)


def _short(name: str) -> str:
    return name.rpartition("::")[2]


@RUNTIMES.register("torch")
class Torch(ProgramRuntime):
    """Eager PyTorch on the CPU, from an exported program: the network's own code is not needed where it runs."""

    @staticmethod
    def load(path: Path, input_shape: InputShape | None, *, dtype: str, threads: int) -> EagerSession:
        use_threads(threads)
        return EagerSession(load_program(path))
