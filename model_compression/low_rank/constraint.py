"""Training that keeps weights near low rank."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from model_compression.errors import FactorizationError
from model_compression.low_rank.decomposition import DECOMPOSITIONS, Layer, kernel_of
from model_compression.low_rank.factorize import Factors
from model_compression.low_rank.layers import get_layers
from model_compression.methods import method


@method("rank-constrained-training", "low-rank", paper="Cai et al., SIAM J. Optim. 2010, theorem 2.1")
class RankConstraint:
    """Shrinks the singular values of layers after each step of a training (its on_step), so that their ranks fall.

    A step of `strength` takes that much off every singular value and ends at 0: the proximal step of `strength` times
    the nuclear norm, without the learning rate. After `steps` the ranks that it left are held, and the values are free
    to grow again. Call `finish` once after the training.

    >>> from model_compression.low_rank import factorize
    >>> network = nn.Sequential(nn.Linear(8, 8))
    >>> constraint = RankConstraint(network, ["0"], strength=10.0)  # more than there is
    >>> constraint()
    >>> constraint.finish()
    >>> factorize(network, constraint.factors())
    Sequential(
      (0): Sequential(
        (0): Linear(in_features=8, out_features=1, bias=False)
        (1): Linear(in_features=1, out_features=8, bias=True)
      )
    )

    Args:
        kind: what the layers will be decomposed to, which says of which matrix the rank falls.
        steps: of shrinking, half of those of the training say; None = to the end.
        every: steps to one shrinkage, which is then so much stronger; singular values take time.

    Raises FactorizationError for a layer that `kind` does not take, UnknownNameError for a name that is none.
    """

    def __init__(
        self,
        network: nn.Module,
        names: Sequence[str],
        *,
        strength: float,
        kind: Literal["svd", "separable", "separable-bn"] = "svd",
        steps: int | None = None,
        every: int = 1,
    ) -> None:
        if not (strength >= 0 and every >= 1):
            raise FactorizationError(f"a strength of {strength} every {every} steps: at least 0, and at least 1")
        self._layers, self._kind = dict[str, Layer](), kind
        for name, layer in get_layers(network, names).items():
            try:
                self._layers[name] = DECOMPOSITIONS.get(kind)().take(layer)
            except FactorizationError as error:
                raise FactorizationError(f"layer {name!r} as {kind}: {error}") from None
        self._strength, self._every, self._step, self._steps = strength, every, 0, steps
        self._held: dict[str, int] = {}

    def __call__(self) -> None:
        """Count a step, and shrink or hold where it is time."""
        self._step += 1
        if self._step % self._every:
            return
        if self._steps is None or self._step <= self._steps:
            self.shrink(self._every)
        else:
            self.hold()

    def finish(self) -> None:
        """Treat what the last step of the training changed."""
        if self._steps is None:
            self.shrink()
        else:
            self.hold()

    @torch.no_grad()
    def shrink(self, steps: int = 1) -> None:
        """Take `steps` times the strength off each singular value."""
        for layer in self._layers.values():
            left, values, right = torch.linalg.svd(self._matrix(layer), full_matrices=False)
            kept = (values - steps * self._strength).clamp(min=0)
            self._write(layer, left @ (kept[:, None] * right))

    @torch.no_grad()
    def hold(self) -> None:
        """Bring each layer back to the rank that it had when this was first called: the nearest weight of it."""
        self._held = self._held or self.ranks()
        for name, layer in self._layers.items():
            left, values, right = torch.linalg.svd(self._matrix(layer), full_matrices=False)
            rank = self._held[name]
            self._write(layer, left[:, :rank] @ (values[:rank, None] * right[:rank]))

    @torch.no_grad()
    def ranks(self, *, energy: float = 0.99) -> dict[str, int]:
        """Return the fewest singular values that hold `energy` of the squares of all, at least 1, for each layer."""
        found = {}
        for name, layer in self._layers.items():
            squares = torch.linalg.svdvals(self._matrix(layer).double()).square()
            share = squares.cumsum(0) / squares.sum().clamp(min=1e-300)
            found[name] = min(1 + int((share < energy - 1e-12).sum()), len(squares)) if squares.sum() > 0 else 1
        return found

    def factors(self, *, energy: float = 0.99) -> dict[str, Factors]:
        """Return the decompositions that the training prepared."""
        return {name: Factors(self._kind, (rank,)) for name, rank in self.ranks(energy=energy).items()}

    def _matrix(self, layer: Layer) -> Tensor:
        if self._kind == "svd":
            return layer.weight.detach().flatten(1)
        return layer.weight.detach().permute(1, 2, 0, 3).flatten(2).flatten(0, 1)

    def _write(self, layer: Layer, matrix: Tensor) -> None:
        if self._kind != "svd":
            (out_chans, in_chans), (height, width) = layer.weight.shape[:2], kernel_of(layer)
            matrix = matrix.reshape(in_chans, height, out_chans, width).permute(2, 0, 1, 3)
        layer.weight.copy_(matrix.reshape(layer.weight.shape))
