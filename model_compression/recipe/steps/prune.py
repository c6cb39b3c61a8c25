"""Pruning of channels, led by what the device takes."""

import copy
import dataclasses
from typing import Annotated, Literal, Self

from pydantic import Field
from torch import nn

from model_compression.errors import PruningError
from model_compression.pruning.allocation import least_important, uniform
from model_compression.pruning.channels import channel_groups, prune_channels
from model_compression.pruning.importance import IMPORTANCES
from model_compression.pruning.latency_led import latency_led
from model_compression.pruning.netadapt import netadapt
from model_compression.pruning.samples import labelled_batches
from model_compression.recipe.step import STEPS, Job, Share, Step
from model_compression.recipe.steps.train import Epochs, fine_tune
from model_compression.recipe.structure import Compressed, Pruned
from zoo.training import accuracy

_LEAST_CUT = 0.03


@STEPS.register("prune")
class Prune(Step):
    """Take channels out until the network takes `keep` of its latency, then train it on.

    Attributes:
        keep: share of the latency; for `uniform` of the channels.
        method: which widths: a knapsack over damage and measured latency, NetAdapt, or the same share everywhere.
        criterion: a name of `pruning.importance.IMPORTANCES`, which channels.
        align: widths are multiples of it.
        epochs, lr: of the training afterwards, with the network as it was before for a teacher.
    """

    step: Literal["prune"] = "prune"
    keep: Share = 0.7
    method: Literal["knapsack", "netadapt", "uniform"] = "knapsack"
    criterion: str = "taylor"
    align: Annotated[int, Field(ge=1, le=256)] = 8
    epochs: Epochs = 5
    lr: Annotated[float, Field(gt=0, le=10)] = 0.02

    def apply(self, before: Compressed, job: Job) -> Compressed:
        """Return the pruned network; raises PruningError or BudgetError where it cannot be made that fast."""
        groups = channel_groups(before.network, job.shape(before))
        if not groups:
            raise PruningError("no channels of this network can be taken out")
        removed = getattr(self, f"_{self.method}")(before, job, groups)
        if not removed:
            raise PruningError(f"no channels had to go for {self.keep:g} of the latency")
        network = prune_channels(before.network, removed, job.shape(before), groups=groups)
        change = Pruned(removed={name: tuple(channels) for name, channels in removed.items()})
        after = dataclasses.replace(before, network=network.eval(), changes=(*before.changes, change))
        return fine_tune(after, before, self.epochs, job, lr=self.lr)

    def softened(self) -> Self | None:
        """Return the step with half of the cut."""
        cut = (1 - self.keep) / 2
        return self.model_copy(update={"keep": 1 - cut}) if cut >= _LEAST_CUT else None

    def _scores(self, before: Compressed, job: Job, groups: tuple) -> dict:
        batches = labelled_batches(job.data, resolution=before.spec.resolution, seed=job.config.seed)
        return IMPORTANCES.get(self.criterion)(copy.deepcopy(before.network), groups, batches)

    def _knapsack(self, before: Compressed, job: Job, groups: tuple) -> dict[str, list[int]]:
        shape, scores = job.shape(before), self._scores(before, job, groups)
        with job.stopwatch.cost(shape) as cost:
            budget = self.keep * cost(before.network)
            found = latency_led(
                before.network, budget, shape=shape, scores=scores, cost=cost, groups=groups, align=self.align,
                on_width=job.note("widths measured"),
            )  # fmt: skip
        return found.removed

    def _netadapt(self, before: Compressed, job: Job, groups: tuple) -> dict[str, list[int]]:
        shape = job.shape(before)
        batches = labelled_batches(job.data, resolution=before.spec.resolution, seed=job.config.seed)

        def tune(network: nn.Module) -> None:
            state = dataclasses.replace(before, network=network)
            network.load_state_dict(fine_tune(state, before, 1, job, lr=self.lr).network.state_dict())

        with job.stopwatch.cost(shape) as cost:
            found = netadapt(
                before.network, self.keep * cost(before.network), shape=shape, cost=cost, groups=groups,
                importance=self.criterion, batches=batches, align=self.align, tune=tune,
                evaluate=lambda network: accuracy(network, job.data.train, job.data, before.spec.resolution),
            )  # fmt: skip
        return found.removed

    def _uniform(self, before: Compressed, job: Job, groups: tuple) -> dict[str, list[int]]:
        kept = uniform(groups, 1 - self.keep, align=self.align)
        return least_important(groups, self._scores(before, job, groups), kept)
