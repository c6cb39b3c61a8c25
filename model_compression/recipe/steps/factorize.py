"""Layers taken apart into smaller ones, all ranks chosen together by what the device takes."""

import dataclasses
from typing import Annotated, Literal, Self

import torch
from pydantic import Field

from model_compression.errors import BudgetError, FactorizationError
from model_compression.low_rank.allocation import Candidate, allocate, rank_candidates
from model_compression.low_rank.covariance import input_covariances
from model_compression.low_rank.factorize import Factors, factorize, factorized_structure
from model_compression.low_rank.layers import decomposable, input_shapes
from model_compression.pruning.samples import labelled_batches
from model_compression.recipe.step import STEPS, Job, Share, Step
from model_compression.recipe.steps.train import Epochs, fine_tune
from model_compression.recipe.structure import Compressed, Factorized

_LEAST_CUT, _ROUNDS = 0.03, 5


@STEPS.register("factorize")
class Factorize(Step):
    """Decompose layers until the network takes `keep` of its latency, then train it on.

    Attributes:
        keep: share of the latency.
        kinds: of decompositions to choose from, names of `low_rank` DECOMPOSITIONS.
        multiple: ranks are multiples of it.
        epochs, lr: of the training afterwards, with the network as it was before for a teacher.
    """

    step: Literal["factorize"] = "factorize"
    keep: Share = 0.8
    kinds: tuple[str, ...] = ("svd", "tucker")
    multiple: Annotated[int, Field(ge=1, le=256)] = 8
    epochs: Epochs = 5
    lr: Annotated[float, Field(gt=0, le=10)] = 0.02

    def apply(self, before: Compressed, job: Job) -> Compressed:
        """Return the factorized network; raises FactorizationError or BudgetError where it cannot be made that fast."""
        network, shape = before.network, job.shape(before)
        names = list(input_shapes(network, shape, list(decomposable(network, self.kinds))))
        if not names:
            raise FactorizationError(f"no layer of this network can be decomposed as {' or '.join(self.kinds)}")
        batches = labelled_batches(job.data, resolution=before.spec.resolution, seed=job.config.seed)
        covariances = input_covariances(network, torch.cat([images for images, _ in batches]), names)
        with job.stopwatch.layer_cost() as layer_cost:
            candidates = rank_candidates(
                network, shape, cost=layer_cost, kinds=self.kinds, names=names, covariances=covariances,
                multiple=self.multiple, on_layer=job.note("layers measured"),
            )  # fmt: skip
        factors = self._choose(before, job, candidates)
        change = Factorized(layers={name: (f.kind, f.ranks) for name, f in factors.items()})
        smaller = factorize(network, factors, covariances=covariances).eval()
        after = dataclasses.replace(before, network=smaller, changes=(*before.changes, change))
        return fine_tune(after, before, self.epochs, job, lr=self.lr)

    def softened(self) -> Self | None:
        """Return the step with half of the cut."""
        cut = (1 - self.keep) / 2
        return self.model_copy(update={"keep": 1 - cut}) if cut >= _LEAST_CUT else None

    def _choose(self, before: Compressed, job: Job, candidates: dict[str, list[Candidate]]) -> dict[str, Factors]:
        """Return the factors of least damage with which the whole network, measured, keeps the budget."""
        with job.stopwatch.cost(job.shape(before)) as cost:
            whole = cost(before.network)
            budget = self.keep * whole
            # layers alone take longer than in the network; what they save is about the same
            aim = sum(found[0].ms for found in candidates.values()) - (whole - budget)
            for _ in range(_ROUNDS):
                factors = allocate(candidates, budget_ms=aim).factors
                ms = cost(factorized_structure(before.network, factors).eval())
                if ms <= budget:
                    if not factors:
                        raise FactorizationError(f"no layer had to be decomposed for {self.keep:g} of the latency")
                    return factors
                aim -= ms - budget
        raise BudgetError(f"decomposed layers take {ms:.4g} ms, above the {budget:.4g} ms asked for")
