"""Which range of a tensor's values is put on the grid: step 5 of Algorithm 1, "another way to get S and Z".

A new way is one file here with `@RANGES.register(name)`. All are used alike:

    estimator = RANGES.get("mse")(Grid(bits=8))
    for batch in batches:
        estimator.observe(batch)
    params = choose_params(*estimator.range(), estimator.grid)
"""

from model_compression.quantization.ranges.base import RANGES, RangeEstimator

__all__ = ["RANGES", "RangeEstimator"]
