"""Knowledge distillation. A new loss is one file here with `@LOSSES.register(name)`.

A loss is a function `(student scores, teacher scores, labels) -> scalar`, its settings keyword arguments. Losses of
features are modules, in `features`.
"""

from collections.abc import Callable

from torch import Tensor

from zoo.registry import Registry

LOSSES: Registry[Callable[..., Tensor]] = Registry("distillation loss", "model_compression.distillation")
