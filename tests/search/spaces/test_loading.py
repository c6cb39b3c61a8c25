import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search import SPACES, Space
from search.spaces import CellSpace, PublishedSpace, SpaceError, load_space

STAGED = json.loads(SPACES.get("tiny").model_dump_json(exclude_defaults=True))
MANY = settings(max_examples=100, deadline=None, database=None, derandomize=True)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def refused(source) -> str:
    with pytest.raises(SpaceError) as caught:
        load_space(source)
    text = str(caught.value)
    assert text and len(text.splitlines()) == 1 and len(text) < 1000, text
    return text


def test_names_files_and_text_give_spaces(tmp_path):
    assert load_space("mbv3") is SPACES.get("mbv3")
    (tmp_path / "own.json").write_text(json.dumps(STAGED))
    spaces = [load_space(json.dumps(STAGED)), load_space(tmp_path / "own.json"), load_space(str(tmp_path / "own.json"))]
    assert all(space == SPACES.get("tiny") for space in spaces)


def test_the_type_decides_what_is_declared():
    assert type(load_space(json.dumps({**STAGED, "type": "staged"}))) is Space
    cells = load_space('{"type": "cells", "name": "c", "resolutions": [16], "widths": [8], "cells": [1, 2]}')
    assert type(cells) is CellSpace and cells.size == 2 * 5**6
    published = load_space('{"type": "published", "name": "p", "resolutions": [64], "networks": ["ghostnet_0*"]}')
    assert type(published) is PublishedSpace and published.parameters()["network"] == ("ghostnet_050",)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("tinny", "'tiny'"),
        ("", "no name"),
        ("two words", "no name"),
        ("[1]", "no name"),
        ("x" * 2_000_000, "no name"),
        ("{", "no JSON"),
        ("{}", "name"),
        ('{"a": NaN}', "no JSON"),
        ('{"a": ' + "[" * 10_000, "no JSON"),
        ("\ud800", "no name"),
        ('{"\ud800": 1}', "no JSON"),
        ("/no/such/file.json", "No such file"),
        ("nul\0.json", "nul"),
        ('{"type": "graph"}', "staged, published, cells"),
        ('{"type": {}}', "staged, published, cells"),
        ('{"type": "cells", "stages": []}', "(and"),
        ('{"type": "cells", "name": "c", "resolutions": [32], "cells": [10000000]}', "cells[0]"),
        ('{"type": "published", "name": "p", "resolutions": [32], "depths": [1e9]}', "depths[0]"),
    ],
)
def test_anything_else_is_refused_in_one_line(source, reason):
    assert reason in refused(source)


def test_files_that_are_no_declaration_are_refused(tmp_path):
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe")
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "huge.json").write_text(json.dumps(STAGED) + " " * 1_000_000)
    assert "text" in refused(tmp_path / "bytes.json")
    assert "irectory" in refused(tmp_path / "folder.json")
    assert "at most 1,000,000" in refused(tmp_path / "huge.json")
    assert "at most 1,000,000" in refused(json.dumps(STAGED) + " " * 1_000_000)


@MANY
@given(json_values | st.dictionaries(st.sampled_from(["type", "name", "stages", "resolutions"]), json_values))
def test_what_is_no_space_is_refused_in_one_line(value):
    refused(json.dumps(value))


@MANY
@given(st.data(), json_values)
def test_any_value_in_any_place_gives_a_space_or_one_line(data, value):
    tree = json.loads(json.dumps(STAGED))
    node = tree
    while True:
        key = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        if not isinstance(node[key], dict | list) or not node[key] or data.draw(st.booleans()):
            break
        node = node[key]
    node[key] = value
    try:
        space = load_space(json.dumps(tree))
    except SpaceError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert load_space(space.model_dump_json()) == space
