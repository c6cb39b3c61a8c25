"""Optuna's tree-structured Parzen estimator, for several objectives (Ozaki et al. 2020)."""

from optuna.samplers import BaseSampler, TPESampler

from search.samplers import SAMPLERS, SamplerContext


@SAMPLERS.register("tpe")
def tpe(context: SamplerContext, seed: int) -> BaseSampler:
    """Return the sampler; it takes trials over the budget, pruned with a constraint above 0, for bad ones."""
    return TPESampler(seed=seed, multivariate=True)
