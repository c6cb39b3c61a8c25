"""Optuna's NSGA-III (Deb and Jain 2014): non-dominated sorting and reference directions, for many objectives."""

import warnings

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, NSGAIIISampler

from search.samplers import SAMPLERS, SamplerContext
from search.samplers.nsga2 import POPULATION


@SAMPLERS.register("nsga3")
def nsga3(context: SamplerContext, seed: int) -> BaseSampler:
    """Return the sampler; only complete trials make its generations."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return NSGAIIISampler(population_size=POPULATION, seed=seed)
