"""Optuna's Gaussian process with expected hypervolume improvement (arXiv:2006.05078); takes seconds a trial."""

from optuna.samplers import BaseSampler, GPSampler

from search.samplers import SAMPLERS, SamplerContext


@SAMPLERS.register("gp")
def gp(context: SamplerContext, seed: int) -> BaseSampler:
    """Return the sampler; it guesses the costs too, as if they were not known."""
    return GPSampler(seed=seed, warn_independent_sampling=False)
