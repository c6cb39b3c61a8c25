"""An ordered list of compression steps, as text or as a file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from model_compression.errors import RecipeError
from model_compression.recipe.step import STEPS, Step
from model_compression.recipe.steps.quantize import Quantize
from model_compression.recipe.steps.train import Train
from zoo.errors import first_line
from zoo.spec import one_line

_INT8 = {"step": "quantize", "max_drop": 1.0, "max_ratio": None, "tries": 1, "required": True}
_MOST_STEPS, _MOST_BYTES = 50, 100_000

RECIPES: dict[str, tuple[dict[str, Any], ...]] = {
    "fast": ({"step": "distil"}, {"step": "quantize"}),
    "balanced": ({"step": "distil"}, {"step": "prune", "keep": 0.7}, {"step": "quantize"}),
    "smallest": (
        {"step": "distil"},
        {"step": "prune", "keep": 0.5, "max_drop": 0.02},
        {"step": "factorize", "keep": 0.8},
        {"step": "quantize", "method": "search"},
    ),
}


@dataclass(frozen=True)
class Recipe:
    """Steps in order: a training first, at most one quantization, at the end.

    Raises RecipeError where the order is another.
    """

    steps: tuple[Step, ...]
    name: str = ""

    def __post_init__(self) -> None:
        if not 1 <= len(self.steps) <= _MOST_STEPS:
            raise RecipeError(f"a recipe has 1 to {_MOST_STEPS} steps, this one {len(self.steps)}")
        if not isinstance(self.steps[0], Train):
            raise RecipeError(f"a recipe begins with train or distil, not {self.steps[0].step}")
        for number, step in enumerate(self.steps[:-1]):
            if isinstance(step, Quantize):
                raise RecipeError(f"quantize must be the last step, here {self.steps[number + 1].step} follows it")

    @property
    def dtype(self) -> str:
        """Number format that ships."""
        return "int8" if isinstance(self.steps[-1], Quantize) else "fp32"

    @classmethod
    def parse(cls, text: str) -> "Recipe":
        """Return the recipe of a built-in name, or of steps joined by +, such as distil+prune+quantize.

        `int8` at the end is a quantization that must be made, whatever it does to accuracy and latency; `fp32` is none.

        >>> [step.step for step in Recipe.parse("distil+int8").steps]
        ['distil', 'quantize']

        Raises RecipeError or UnknownNameError.
        """
        if text in RECIPES:
            return cls.of(RECIPES[text], name=text)
        words = text.split("+")
        if words[-1] == "fp32":
            words.pop()
        return cls.of([_INT8 if word == "int8" else {"step": word} for word in words], name=text)

    @classmethod
    def load(cls, source: str | Path) -> "Recipe":
        """Return the recipe of a JSON or YAML file, or of what `parse` knows; raises RecipeError or UnknownNameError.

        A file holds a list of steps, or a mapping with `steps`; a step is a mapping with its kind as `step`.
        """
        path = Path(source)
        if path.suffix not in (".json", ".yaml", ".yml"):
            return cls.parse(str(source))
        try:
            if path.stat().st_size > _MOST_BYTES:
                raise RecipeError(f"{path} is larger than {_MOST_BYTES // 1000} kB: no recipe")
            text = path.read_text()
            content = json.loads(text) if path.suffix == ".json" else _plain_yaml(text)
        except OSError as error:
            raise RecipeError(f"cannot read recipe {path}: {error.strerror}") from None
        except (ValueError, RecursionError, yaml.YAMLError) as error:
            raise RecipeError(f"{path} is not {path.suffix[1:].upper()}: {first_line(error)}") from None
        if isinstance(content, Mapping) and set(content) == {"steps"}:
            content = content["steps"]
        if not isinstance(content, list):
            raise RecipeError(f"{path} must hold a list of steps, or a mapping with only `steps`")
        return cls.of(content, name=path.stem)

    @classmethod
    def of(cls, steps: Sequence[Any], *, name: str = "") -> "Recipe":
        """Return the recipe of steps as mappings; raises RecipeError or UnknownNameError, naming the step."""
        return cls(tuple(_step(step, number) for number, step in enumerate(steps[: _MOST_STEPS + 1], 1)), name)

    def to_json(self) -> str:
        """Return the steps as JSON that `load` reads."""
        return json.dumps({"steps": [step.model_dump(mode="json") for step in self.steps]}, indent=1)

    def __str__(self) -> str:
        return self.name or "+".join(step.step for step in self.steps)


def _plain_yaml(text: str) -> Any:
    """Return what YAML says; raises YAMLError for an alias, with which a short text can stand for a billion values."""
    for token in yaml.scan(text, yaml.SafeLoader):
        if isinstance(token, yaml.AliasToken):
            raise yaml.YAMLError(f"a recipe has no aliases (*{token.value})")
    return yaml.safe_load(text)


def _step(content: Any, number: int) -> Step:
    if not isinstance(content, Mapping) or not isinstance(content.get("step"), str):
        raise RecipeError(f"step {number} must be a mapping with its kind as `step`, one of {', '.join(STEPS)}")
    kind = STEPS.get(content["step"])
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise RecipeError(f"step {number} ({content['step']}), {one_line(error)}") from None
