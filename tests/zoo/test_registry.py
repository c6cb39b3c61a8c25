from pathlib import Path

import pytest

import zoo
from zoo.errors import UnknownNameError, unknown_name
from zoo.registry import Registry


@pytest.fixture
def gadgets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Registry[type]:
    """A registry over a package of two files, each of which registers itself."""
    name = "gadgets_of_" + request.node.name.split("[")[0]
    package = tmp_path / name
    package.mkdir()
    (package / "__init__.py").write_text(
        f"from zoo.registry import Registry\nGADGETS = Registry('gadget', {name!r}, 'see the box')\n"
    )
    for word in ("hammer", "spanner"):
        (package / f"{word}.py").write_text(
            f"from {name} import GADGETS\n\n@GADGETS.register({word!r})\nclass {word.title()}:\n    pass\n"
        )
    monkeypatch.syspath_prepend(tmp_path)
    return __import__(name).GADGETS


def test_a_file_in_the_package_registers_itself(gadgets: Registry[type]) -> None:
    assert gadgets.get("hammer").__name__ == "Hammer"
    assert gadgets.names() == ["hammer", "spanner"]
    assert list(gadgets) == ["hammer", "spanner"]
    assert "spanner" in gadgets
    assert "saw" not in gadgets


def test_register_hands_back_the_object_unchanged(gadgets: Registry[type]) -> None:
    class Saw:
        pass

    assert gadgets.register("saw")(Saw) is Saw
    assert gadgets.get("saw") is Saw
    assert gadgets.names() == ["hammer", "saw", "spanner"]


def test_a_name_is_given_once(gadgets: Registry[type]) -> None:
    first = gadgets.get("hammer")
    with pytest.raises(ValueError, match="gadget 'hammer' is registered twice"):
        gadgets.register("hammer")(type("Other", (), {}))
    assert gadgets.get("hammer") is first


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*", ["hammer", "spanner"]),
        ("h*", ["hammer"]),
        ("*nn*", ["spanner"]),
        ("H*", []),
        ("[hs]*r", ["hammer", "spanner"]),
    ],
)
def test_names_match_wildcards_with_regard_to_case(gadgets: Registry[type], pattern: str, expected: list[str]) -> None:
    assert gadgets.names(pattern) == expected


def test_an_unknown_name_is_answered_with_the_nearest_and_the_hint(gadgets: Registry[type]) -> None:
    with pytest.raises(UnknownNameError) as caught:
        gadgets.get("hamer")
    assert str(caught.value).startswith("unknown gadget 'hamer'; did you mean 'hammer'")
    assert str(caught.value).endswith("? see the box")


def test_where_nothing_is_near_a_short_list_is_named_whole() -> None:
    assert (
        str(unknown_name("fruit", "zzz", ["pear", "apple"])) == "unknown fruit 'zzz'; did you mean 'apple' or 'pear'?"
    )


def test_where_nothing_is_near_a_long_list_is_not_named() -> None:
    text = str(unknown_name("fruit", "zzz", [f"apple {number}" for number in range(13)], "see the shop"))
    assert text == "unknown fruit 'zzz' see the shop"


def test_at_most_three_near_names_are_given() -> None:
    text = str(unknown_name("fruit", "apple", [f"apple{number}" for number in range(9)]))
    assert text.count("'apple") == 4  # the name asked for, and three


def test_an_unknown_name_is_a_key_error_and_prints_without_quotes() -> None:
    error = unknown_name("fruit", "aple", ["apple"])
    assert isinstance(error, KeyError)
    assert isinstance(error, zoo.EdgezooError)
    assert str(error).startswith("unknown fruit")


def test_line_breaks_in_an_unknown_name_stay_on_the_line() -> None:
    assert len(str(unknown_name("fruit", "ap\nple", ["apple"])).splitlines()) == 1
