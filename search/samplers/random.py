"""Optuna's random sampler."""

from optuna.samplers import BaseSampler, RandomSampler

from search.samplers import SAMPLERS, SamplerContext


@SAMPLERS.register("random")
def random(context: SamplerContext, seed: int) -> BaseSampler:
    """Return the sampler; it learns nothing from the trials."""
    return RandomSampler(seed=seed)
