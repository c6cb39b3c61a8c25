"""Samplers by name: which network is scored next. A new one is one file here with `@SAMPLERS.register(name)`.

Each is a factory `(context, seed) -> optuna.samplers.BaseSampler`; what a study tells it, a plain Optuna study can tell
it too.
"""

from collections.abc import Callable

from optuna.samplers import BaseSampler

from search.samplers.context import SamplerContext
from zoo.registry import Registry

SAMPLERS: Registry[Callable[[SamplerContext, int], BaseSampler]] = Registry("sampler", "search.samplers")
DEFAULT_SAMPLER = "front"

__all__ = ["DEFAULT_SAMPLER", "SAMPLERS", "SamplerContext"]
