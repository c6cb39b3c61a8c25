import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_compression import Recipe, RecipeError
from zoo import EdgezooError, UnknownNameError


@pytest.mark.parametrize("text", ["train+fp32", "train+int8", "distil+fp32", "distil+int8"])
def test_recipes_survive_being_text(text):
    assert str(Recipe.parse(text)) == text


def test_unknown_steps_are_answered_with_near_names():
    with pytest.raises(UnknownNameError, match="did you mean 'distil'"):
        Recipe.parse("distill+int8")
    with pytest.raises(UnknownNameError, match="did you mean 'int8'"):
        Recipe.parse("distil+int4")
    with pytest.raises(RecipeError, match="like distil"):
        Recipe.parse("distil")


@given(st.text())
def test_any_text_is_a_recipe_or_our_error(text):
    try:
        Recipe.parse(text)
    except EdgezooError as error:
        assert "\n" not in str(error) or "\n" in text
