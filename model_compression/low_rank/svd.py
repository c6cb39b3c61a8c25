"""Singular value decomposition: a layer with few channels, then one without a kernel."""

from torch import Tensor, nn

from model_compression.low_rank.decomposition import DECOMPOSITIONS, Decomposition, Layer, Ranks, part, weight_of
from model_compression.low_rank.fitting import balance, basis, refit
from model_compression.methods import method


@method("svd-1x1", "low-rank", paper="Denton et al., NeurIPS 2014, section 3.2 (arXiv:1404.0736)")
@method("svd-linear", "low-rank", paper="Sainath et al., ICASSP 2013")
@DECOMPOSITIONS.register("svd")
class Svd(Decomposition):
    """A linear layer, a 1x1 or any other convolution as two: kxk to R channels, then 1x1 to the outputs.

    The best of its rank (Eckart and Young 1936); with a covariance, the best in the outputs' mean squared error.
    """

    def full_ranks(self, layer: Layer) -> Ranks:
        return (min(layer.weight.shape[0], layer.weight[0].numel()),)

    def channels(self, layer: Layer) -> Ranks:
        return (min(layer.weight.shape[:2]),)

    def structure(self, layer: Layer, ranks: Ranks) -> nn.Sequential:
        out_chans, in_chans = layer.weight.shape[:2]
        first = part(layer, in_chans, ranks[0], axes="hw")
        return nn.Sequential(first, part(layer, ranks[0], out_chans, bias=layer.bias is not None))

    def fit(self, layer: Layer, ranks: Ranks, covariance: Tensor | None) -> dict[str, Tensor]:
        weight = weight_of(layer).flatten(1)
        first = basis(weight.T, ranks[0], covariance).T
        first, last = balance(first, refit(weight, first, covariance))
        return {"0.weight": first, "1.weight": last}
