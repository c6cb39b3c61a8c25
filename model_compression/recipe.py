"""The order of compression steps, as text."""

from dataclasses import dataclass

from model_compression.errors import RecipeError
from zoo.errors import unknown_name

_TRAININGS, _DTYPES = ("train", "distil"), ("fp32", "int8")


@dataclass(frozen=True)
class Recipe:
    """An order of compression steps: how it is trained, and in what number format it is shipped."""

    training: str
    dtype: str

    @classmethod
    def parse(cls, text: str) -> "Recipe":
        """Return the recipe `TRAINING+DTYPE`: `train` or `distil`, then `fp32` or `int8`.

        >>> Recipe.parse("distil+int8")
        Recipe(training='distil', dtype='int8')
        """
        training, plus, dtype = text.partition("+")
        if not plus:
            raise RecipeError(f"recipe {text!r} needs a training and a number format, like distil+int8")
        if training not in _TRAININGS:
            raise unknown_name("training", training, _TRAININGS, f"in recipe {text!r}")
        if dtype not in _DTYPES:
            raise unknown_name("number format", dtype, _DTYPES, f"in recipe {text!r}")
        return cls(training, dtype)

    def __str__(self) -> str:
        return f"{self.training}+{self.dtype}"
