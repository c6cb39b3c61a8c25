import contextlib
import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from model_compression import Recipe, RecipeError
from model_compression.recipe import RECIPES, STEPS
from zoo import EdgezooError, UnknownNameError


@pytest.mark.parametrize("text", ["train+fp32", "train+int8", "distil+fp32", "distil+int8", "distil+prune+quantize"])
def test_recipes_survive_being_text(text):
    assert str(Recipe.parse(text)) == text
    assert Recipe.parse(text).dtype == ("fp32" if text.endswith("fp32") else "int8")


@pytest.mark.parametrize("name", RECIPES)
def test_built_in_recipes_survive_being_a_file(name, tmp_path):
    recipe, path = Recipe.parse(name), tmp_path / "mine.json"
    path.write_text(recipe.to_json())
    assert Recipe.load(path).steps == recipe.steps
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(json.loads(recipe.to_json())["steps"]))
    assert Recipe.load(path).steps == recipe.steps


def test_int8_in_text_is_made_whatever_it_does():
    asked, gated = Recipe.parse("distil+int8").steps[-1], Recipe.parse("distil+quantize").steps[-1]
    assert asked.required and asked.max_ratio is None and asked.max_drop == 1
    assert not gated.required and gated.max_ratio == 1


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ([], "1 to 50 steps"),
        ([{"step": "quantize"}], "begins with train or distil"),
        ([{"step": "distil"}, {"step": "quantize"}, {"step": "prune"}], "prune follows it"),
        ([{"step": "distil"}, {"step": "prune", "keep": 0}], r"step 2 \(prune\), keep"),
        ([{"step": "distil"}, {"step": "prune", "kepe": 0.5}], r"step 2 \(prune\), kepe"),
        ([{"step": "distil", "max_drop": float("nan")}], "max_drop"),
        (["distil"], "step 1 must be a mapping"),
        ([{"step": "train"}] * 51, "1 to 50 steps"),
    ],
)
def test_a_bad_recipe_is_refused_with_the_step_in_one_line(steps, told):
    with pytest.raises(RecipeError, match=told) as refused:
        Recipe.of(steps)
    assert "\n" not in str(refused.value)


def test_unknown_steps_are_answered_with_near_names():
    with pytest.raises(UnknownNameError, match="did you mean 'distil'"):
        Recipe.parse("distill+int8")
    with pytest.raises(UnknownNameError, match="did you mean 'prune'"):
        Recipe.of([{"step": "distil"}, {"step": "prun"}])


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.json", "[", "is not JSON"),
        ("a.yaml", "a: [", "is not YAML"),
        ("a.yaml", "!!python/object/apply:os.system [true]", "is not YAML"),
        ("a.json", '"x"', "must hold a list"),
        ("a.json", '{"steps": [], "more": 1}', "must hold a list"),
        ("a.json", "[" * 100_000, "is not JSON"),
        ("a.json", " " * 200_000, "larger than"),
    ],
)
def test_a_bad_file_is_one_line(name, content, told, tmp_path):
    (tmp_path / name).write_text(content)
    with pytest.raises(RecipeError, match=told):
        Recipe.load(tmp_path / name)


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(RecipeError, match="No such file"):
        Recipe.load(tmp_path / "none.yaml")


_values = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from([*STEPS, "taylor", "", [], {}])


@given(st.lists(st.dictionaries(st.sampled_from(["step", "keep", "max_drop", "method"]), _values), max_size=4))
def test_anything_is_a_recipe_or_our_error(steps):
    with contextlib.suppress(EdgezooError):
        Recipe.of(steps)


@given(st.text())
def test_any_text_is_a_recipe_or_our_error(text):
    try:
        Recipe.parse(text)
    except EdgezooError as error:
        assert "\n" not in str(error) or "\n" in text
