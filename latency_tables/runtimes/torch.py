"""PyTorch without compilation, channels last: the speed one has before deploying."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from latency_tables.errors import MeasurementError
from latency_tables.runtimes import RUNTIMES, InputShape, NodeTime


class TorchSession:
    """A module and its example in channels-last memory."""

    def __init__(self, module: nn.Module, input_shape: InputShape, threads: int) -> None:
        self._module = module.eval().to(memory_format=torch.channels_last)
        self._threads = threads
        example = torch.randn(input_shape, generator=torch.Generator().manual_seed(0))
        self._example = example.contiguous(memory_format=torch.channels_last)

    @torch.inference_mode()
    def run(self) -> None:
        if torch.get_num_threads() != self._threads:
            torch.set_num_threads(self._threads)
        self._module(self._example)

    @torch.inference_mode()
    def predict(self, images: np.ndarray) -> np.ndarray:
        return self._module(torch.from_numpy(images)).numpy()

    def profile(self, runs: int, pace: Callable[[], float]) -> list[NodeTime] | None:
        return None


@RUNTIMES.register("torch")
class TorchEager:
    """Eager PyTorch on the CPU."""

    dtypes = ("fp32",)
    install = "pip install torch"

    @staticmethod
    def version() -> str | None:
        return torch.__version__

    @staticmethod
    def prepare(
        module: nn.Module,
        input_shape: InputShape,
        *,
        dtype: str,
        threads: int,
        calibration: Sequence[np.ndarray] | None = None,
    ) -> TorchSession:
        return TorchSession(module, input_shape, threads)

    @staticmethod
    def load(path: str, *, threads: int) -> TorchSession:
        raise MeasurementError(f"runtime 'torch' loads no model files ({path}); give a network's name or spec")

    @staticmethod
    def settings() -> dict[str, str]:
        return {"memory_format": "channels_last"}
