import ast
import sys
from pathlib import Path

import pytest

from latency_tables import supervisor
from latency_tables.transport import first_input, start_worker


def test_an_old_python_understands_it_as_far_as_to_say_that_it_is_old(monkeypatch):
    ast.parse(Path(supervisor.__file__).read_text(), feature_version=(3, 6))
    monkeypatch.setattr(sys, "version_info", (3, 8, 1, "final", 0))
    with pytest.raises(SystemExit, match=r"Python 3.10 or newer is needed, this is 3.8"):
        supervisor.main()


def test_a_python_without_numpy_says_so(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="lacks numpy"):
        supervisor.main()


def test_input_that_ends_early_leaves_no_file(temp_folder):
    with (temp_folder.parent / "log").open("wb") as log:
        process = start_worker("local", log)
    process.communicate(first_input("local")[:-10], timeout=10)
    assert process.returncode
    assert not list(temp_folder.iterdir())
