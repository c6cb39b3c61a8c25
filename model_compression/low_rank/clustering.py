"""Clusters of like channels, with a decomposition of its own for each pair of clusters."""

import numpy as np
import torch
from torch import Tensor, nn

from model_compression.errors import FactorizationError
from model_compression.low_rank.decomposition import DECOMPOSITIONS, Decomposition, Layer, Ranks, part, weight_of
from model_compression.low_rank.fitting import balance, basis, refit
from model_compression.methods import method

CLUSTERS = (2, 2)  # of inputs and of outputs, where nobody says how many
_ROUNDS = 20


class ChannelOrder(nn.Module):
    """Puts the channels of (N, C, H, W) in another order, which is kept with the weights."""

    order: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("order", torch.arange(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x.index_select(1, self.order)


@method("clustered-svd", "low-rank", paper="arXiv:1404.0736, section 3.2")
@DECOMPOSITIONS.register("clustered")
class Clustered(Decomposition):
    """A kxk convolution whose channels are clustered, with an SVD for each pair of an input and an output cluster.

    Ranks: (of each pair, clusters of inputs, clusters of outputs). Clusters are of equal size, so that grouped
    convolutions compute them: the numbers must divide those of the channels. A covariance changes the fits and not the
    clusters.
    """

    only_spatial = True

    def full_ranks(self, layer: Layer) -> Ranks:
        return (self._full(layer, *CLUSTERS), *CLUSTERS)

    def scaled(self, layer: Layer, share: float, multiple: int = 1) -> Ranks:
        rank = round(share * layer.weight.shape[0] / CLUSTERS[1] / multiple) * multiple
        return (min(self._full(layer, *CLUSTERS), max(multiple, rank)), *CLUSTERS)

    def grid(self, layer: Layer, multiple: int) -> list[Ranks]:
        return [(rank, *CLUSTERS) for rank in range(multiple, self._full(layer, *CLUSTERS) + 1, multiple)]

    def check(self, layer: Layer, ranks: Ranks) -> None:
        if len(ranks) != 3 or min(ranks) < 1:
            raise FactorizationError(f"{list(ranks)} is not a rank and the numbers of input and output clusters")
        if ranks[0] > (full := self._full(layer, *ranks[1:])):
            raise FactorizationError(f"rank {ranks[0]} of a pair of clusters that has at most {full}")

    def structure(self, layer: Layer, ranks: Ranks) -> nn.Sequential:
        (out_chans, in_chans), (rank, inputs, outputs) = layer.weight.shape[:2], ranks
        middle = rank * inputs * outputs
        by_output = ChannelOrder(middle)
        # the first convolution gives (input cluster, output cluster, rank), the second takes (output, input, rank)
        by_output.order = by_output.order.reshape(inputs, outputs, rank).transpose(0, 1).flatten()
        return nn.Sequential(
            ChannelOrder(in_chans),
            part(layer, in_chans, middle, axes="hw", groups=inputs),
            by_output,
            part(layer, middle, out_chans, groups=outputs, bias=layer.bias is not None),
            ChannelOrder(out_chans),
        )

    def fit(self, layer: Layer, ranks: Ranks, covariance: Tensor | None) -> dict[str, Tensor]:
        weight, (rank, inputs, outputs) = weight_of(layer), ranks
        out_chans, in_chans = weight.shape[:2]
        order_in = clusters(weight.transpose(0, 1).flatten(1).numpy(), inputs).flatten()
        order_out = clusters(weight.flatten(1).numpy(), outputs).flatten()
        sorted_weight = weight[order_out][:, order_in]
        blocks = sorted_weight.reshape(outputs, out_chans // outputs, inputs, in_chans // inputs, *weight.shape[2:])
        size = blocks[0, 0, 0].numel()
        whole, within = covariance, [None] * inputs
        if covariance is not None:
            whole = covariance.reshape(2 * (in_chans, weight[0, 0].numel()))[order_in][:, :, order_in].reshape(
                covariance.shape
            )
            within = [whole[i * size : (i + 1) * size, i * size : (i + 1) * size] for i in range(inputs)]
        first = torch.empty(inputs, outputs, rank, size, dtype=weight.dtype)
        last = torch.empty(outputs, out_chans // outputs, inputs * rank, dtype=weight.dtype)
        for o in range(outputs):
            filters = [basis(blocks[o, :, i].flatten(1).T, rank, within[i]).T for i in range(inputs)]
            side_by_side = torch.block_diag(*filters)
            rows = refit(blocks[o].flatten(1), side_by_side, whole)
            side_by_side, last[o] = balance(side_by_side, rows)
            for i, rows_of_cluster in enumerate(side_by_side.reshape(inputs, rank, -1)):
                first[i, o] = rows_of_cluster[:, i * size : (i + 1) * size]
        values = {"0.order": order_in, "1.weight": first, "3.weight": last, "4.order": order_out.argsort()}
        if layer.bias is not None:
            values["3.bias"] = layer.bias.detach().cpu()[order_out]
        return values

    def _full(self, layer: Layer, inputs: int, outputs: int) -> int:
        out_chans, in_chans, height, width = weight_of(layer).shape
        if in_chans % inputs or out_chans % outputs:
            raise FactorizationError(
                f"{in_chans} inputs and {out_chans} outputs do not make {inputs} and {outputs} equal clusters"
            )
        return min(out_chans // outputs, in_chans // inputs * height * width)


def clusters(rows: np.ndarray, count: int) -> Tensor:
    """Return (count, size) indices of like `rows`, their length left aside: k-means with clusters of equal size."""
    from scipy.optimize import linear_sum_assignment

    size = len(rows) // count
    unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-300)
    # starts far apart: each centre is the row least like those before
    centres = [unit[0]]
    while len(centres) < count:
        centres.append(unit[np.argmin(np.max(unit @ np.stack(centres).T, axis=1))])
    centre, chosen = np.stack(centres), np.arange(len(rows)).reshape(count, size)
    for _ in range(_ROUNDS):
        places = np.repeat(centre, size, axis=0)
        _, column = linear_sum_assignment(unit @ places.T, maximize=True)
        before, chosen = chosen, np.argsort(column // size, kind="stable").reshape(count, size)
        if (before == chosen).all():
            break
        centre = unit[chosen].mean(axis=1)
    return torch.from_numpy(chosen)
