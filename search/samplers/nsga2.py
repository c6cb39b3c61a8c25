"""Optuna's NSGA-II (Deb et al. 2002): non-dominated sorting and crowding distance."""

from optuna.samplers import BaseSampler, NSGAIISampler

from search.samplers import SAMPLERS, SamplerContext

POPULATION = 20  # searches have hundreds of trials, not tens of thousands


@SAMPLERS.register("nsga2")
def nsga2(context: SamplerContext, seed: int) -> BaseSampler:
    """Return the sampler; only complete trials make its generations."""
    return NSGAIISampler(population_size=POPULATION, seed=seed)
