"""All the networks of a space in one set of weights."""

import torch
from torch import Tensor, nn
from torch.func import functional_call

from search.spaces import SearchSpace
from search.supernet.recalibration import recalibrate, some_images
from search.supernet.weights import inherit, shared_weights
from zoo import ArchSpec
from zoo.data import Splits
from zoo.network import Network
from zoo.training import accuracy
from zoo.training.preprocessing import normalize, resize


class Supernet(nn.Module):
    """Weights that every network of `space` takes its own from: (N, in_chans, H, W), spec -> (N, num_classes).

    No block has an elastic form: a network is built as usual and run with slices of the shared weights as its
    parameters, so any kind of block works and gradients reach the shared weights. Blocks of one kind at one place
    share them (`search.supernet.positions`), the narrower taking the leading channels and the smaller kernel the
    middle (once-for-all, arXiv:1908.09791); kinds are paths of which a network takes one (arXiv:1904.00420). What a
    layer learns in buffers (learned groups) is not shared.

    Attributes:
        weights: the shared parameters by key.
    """

    def __init__(self, space: SearchSpace, num_classes: int, in_chans: int, seed: int = 0) -> None:
        super().__init__()
        self.space, self.num_classes, self.in_chans, self.seed = space, num_classes, in_chans, seed
        self.weights = nn.ParameterDict(shared_weights(space, num_classes, in_chans, seed))

    def forward(self, images: Tensor, spec: ArchSpec) -> Tensor:
        """Run the network of `spec` on `images` of its resolution; batch statistics while training."""
        network = self._unwritten(spec).train(self.training)
        return functional_call(network, self._inherited(spec), (images,))

    def network(self, spec: ArchSpec) -> Network:
        """Return `spec` as a network of its own with a copy of its weights, in evaluation mode.

        Its batch norms hold no statistics yet: see `recalibrate`. Raises SupernetError for a network of another space.
        """
        network, weights = self._unwritten(spec), self._inherited(spec)
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                parameter.copy_(weights[name])
        return network.eval()

    def score(
        self,
        spec: ArchSpec,
        data: Splits,
        *,
        recalibration_images: int = 512,
        validation_images: int | None = None,
    ) -> float:
        """Return the accuracy of `spec`, 0..1, with inherited weights and its own batch statistics.

        It ranks networks, and roughly: small ones inherit weights that longer trainings made than a short one of
        their own, so the scores lie close together. Where size decides what a short training reaches, the plain
        number of parameters ranks better; `scripts/bench_supernet.py` says so for a space and data.

        Args:
            recalibration_images: training images that the statistics are taken from.
            validation_images: how many of them to classify, the same for every network; all by default.
        """
        network = self.network(spec).to(memory_format=torch.channels_last)  # a third faster on a CPU
        mean, std = data.statistics()
        images = normalize(some_images(data.train, recalibration_images).images, mean, std)
        recalibrate(network, resize(images, spec.resolution).to(self._device))
        seen = data.val if validation_images is None else some_images(data.val, validation_images)
        return accuracy(network, seen, data, spec.resolution)

    @property
    def _device(self) -> torch.device:
        return next(self.parameters()).device

    def _inherited(self, spec: ArchSpec) -> dict[str, Tensor]:
        return inherit(self.weights, spec, self.num_classes, self.in_chans)

    def _unwritten(self, spec: ArchSpec) -> Network:
        # a linear layer draws its weights, whatever is put there afterwards
        with torch.random.fork_rng(devices=[]):
            return Network(spec, self.num_classes, self.in_chans).to(self._device)
