"""Dynamic network surgery: connections are cut while training, and spliced where that was a mistake."""

from collections.abc import Collection

import torch
from torch import Tensor, nn

from model_compression.errors import PruningError
from model_compression.methods import method
from model_compression.pruning.unstructured.masks import Mask, attach, prunable_layers

_MARGIN = 0.1  # of the threshold, to both sides: weights between are left as they are


class SurgeryMask(Mask):
    """A mask that training changes; weights learn under it too.

    Args:
        threshold: hidden weights above 1.1 of it are seen again, seen ones below 0.9 of it hidden.
        until: share of the training after which the mask stays.
        decay, power: of the probability (1 + decay progress)^-power that a step looks at the mask.
    """

    def __init__(self, mask: Tensor, threshold: float, *, until: float, decay: float, power: float) -> None:
        super().__init__(mask)
        self.low, self.high = (1 - _MARGIN) * threshold, (1 + _MARGIN) * threshold
        self.until, self.decay, self.power = until, decay, power
        self._due = False

    def forward(self, weight: Tensor) -> Tensor:
        if self._due and self.training:
            self._due = False
            size = weight.detach().abs()
            self.mask.copy_((self.mask & (size >= self.low)) | (size >= self.high))
        # in value the masked weight exactly; the gradient reaches hidden weights too (equation 3)
        return weight + (super().forward(weight) - weight).detach()

    def training_progress(self, progress: float) -> None:
        """Hear how far the training is, 0..1, and decide whether the next step looks at the mask."""
        self._due = progress < self.until and float(torch.rand(())) < (1 + self.decay * progress) ** -self.power


@method("dynamic-network-surgery", "pruning", paper="arXiv:1608.04493")
def start_surgery(
    network: nn.Module,
    *,
    rate: float = 1.0,
    until: float = 0.7,
    decay: float = 10.0,
    power: float = 1.0,
    exclude: Collection[str] = (),
) -> None:
    """Put masks over a trained network that the next training cuts and splices: `train` it, then `remove_masks`.

    Args:
        rate: the threshold of a layer is the mean of its absolute weights and `rate` times their deviation; the higher,
            the sparser.
        until: share of the training after which masks stay as they are.
        decay, power: of the probability (1 + decay progress)^-power that a step changes a mask.

    Raises PruningError for settings that are not finite or at which all weights of a layer would go.
    """
    if not 0 < until <= 1 or not decay >= 0 or not power >= 0:
        raise PruningError(f"until={until} must be in (0, 1], decay={decay} and power={power} at least 0")
    for name, layer in prunable_layers(network, exclude=exclude).items():
        size = layer.weight.detach().abs()
        deviation = size.std() if size.numel() > 1 else torch.zeros(())
        threshold = max(0.0, float(size.mean() + rate * deviation))
        if not threshold * (1 - _MARGIN) < float(size.max()):
            raise PruningError(f"rate {rate} would cut all weights of layer {name!r}; lower it or exclude the layer")
        mask = torch.ones_like(layer.weight, dtype=torch.bool)
        attach(layer, SurgeryMask(mask, threshold, until=until, decay=decay, power=power))
