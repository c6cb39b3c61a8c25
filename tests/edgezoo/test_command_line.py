"""What holds for every command, found by introspection: a new one is tested by being there."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
import typer

from edgezoo.cli import app

_GROUP = typer.main.get_command(app)
_LINES_OF_WRITERS = {"export"}  # they write a file and print nothing


def _commands(group, *path: str) -> Iterator[tuple[tuple[str, ...], object]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, *path, name)
        else:
            yield (*path, name), command


COMMANDS = dict(_commands(_GROUP))
each_command = pytest.mark.parametrize("path", COMMANDS, ids=" ".join)


def test_the_commands_are_found():
    assert {("run",), ("doctor",), ("models", "show"), ("latency", "diff"), ("search", "start")} <= set(COMMANDS)


@each_command
def test_help_is_sentences_with_an_example_that_can_be_called(path):
    text = COMMANDS[path].help
    summary = text.split("\n\n")[0]
    assert summary[0].isupper() and summary.endswith("."), summary
    examples = re.findall(r"^Example: edgezoo (.+)$", text, re.MULTILINE)
    assert examples, "no line that begins with Example:"
    for example in examples:
        words = [word.strip("'") for word in example.split()]
        assert tuple(words[: len(path)]) == path
        # parsed as the shell would: an option renamed makes this fail
        COMMANDS[path].make_context(path[-1], words[len(path) :]).close()


@each_command
def test_every_option_is_told_in_a_sentence(path, edgezoo):
    for parameter in COMMANDS[path].params:
        assert parameter.name == "help" or (parameter.help or "").endswith("."), parameter.name
    shown = edgezoo(*path, "--help").stdout
    assert "\x1b" not in shown
    for parameter in COMMANDS[path].params:
        # markup would swallow what stands in brackets
        for word in re.findall(r"\[[^\]]+\]", parameter.help or ""):
            assert word in shown.replace("\n", "")


@each_command
def test_what_prints_has_json(path):
    names = {option for parameter in COMMANDS[path].params for option in parameter.opts}
    assert ("--json" in names) == (path[-1] not in _LINES_OF_WRITERS)


@pytest.mark.parametrize(
    "call",
    [
        "doctor",
        "models list ghostnet_1*",
        "models show ghostnet_100",
        "models show resnet50",
        "latency show onnxruntime-int8",
        "latency predict onnxruntime-fp32 mobilenetv1_025 --image-size 32",
        "search spaces",
    ],
)
def test_json_parses_and_neither_form_is_coloured_when_piped(call, edgezoo, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    json.loads(edgezoo(*call.split(), "--json").stdout)
    plain = edgezoo(*call.split())
    assert plain.returncode == 0 and "\x1b" not in plain.stdout + plain.stderr


def test_a_piped_row_is_one_line_with_all_its_words(edgezoo):
    shown = edgezoo("latency", "runtimes").stdout.splitlines()
    runtimes = json.loads(edgezoo("latency", "runtimes", "--json").stdout)
    assert len(shown) == 1 + len(runtimes)
    for name, runtime in runtimes.items():
        row = next(line for line in shown if line.startswith(name + " "))
        assert (runtime["version"] or runtime["install"]) in row


@pytest.mark.parametrize(("settings", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_a_terminal_shows_colour_unless_it_is_not_wanted(settings, coloured):
    import pty

    ours, theirs = pty.openpty()
    env = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"TERM": "xterm"} | settings
    command = [sys.executable, "-m", "edgezoo.cli", "models", "list", "timm/*", "--family", "x"]
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, env=env) as process:
        process.wait(120)
    os.close(theirs)
    shown = os.read(ours, 10_000).decode()
    os.close(ours)
    assert "error: " in shown and bool(re.search(r"\x1b\[[0-9;]*3[0-9]", shown)) == coloured


@pytest.mark.parametrize(
    ("call", "meant"),
    [("latncy", "latency"), ("modles list", "models"), ("models lst", "list"), ("run --dta digits", "--data")],
)
def test_a_wrong_word_names_the_near_ones_and_exits_with_two(call, meant, edgezoo):
    answer = edgezoo(*call.split())
    assert answer.returncode == 2 and not answer.stdout
    assert meant in answer.stderr.split("─ Error ─")[1]


def test_version_and_doctor_agree(edgezoo):
    found = json.loads(edgezoo("doctor", "--json").stdout)
    assert edgezoo("--version").stdout == f"edgezoo {found['versions']['edgezoo']}\n"
    assert found["machine"]["cores"] >= 1 and found["machine"]["governor"]
    assert found["runtimes"]["onnxruntime"]["install"] is None
    told = edgezoo("doctor").stdout
    for name, runtime in found["runtimes"].items():
        assert f"runtime {name} " in told and (runtime["version"] or runtime["install"]) in told


def test_a_reader_that_goes_away_is_no_traceback():
    command = f"{sys.executable} -m edgezoo.cli models list | head -1"
    shown = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120)
    assert shown.stdout.startswith("network") and not shown.stderr


@pytest.mark.parametrize("call", ["--help", "--version", "run --help", "search start --help", "doctor", "latncy"])
def test_pytorch_is_not_imported_for_a_glance(call):
    script = (
        "import sys; from edgezoo.cli import main; sys.argv = ['edgezoo', *sys.argv[1:]]\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'optuna', 'ray', 'timm', 'pandas', 'onnx'} & set(sys.modules)), file=sys.stderr)"
    )
    shown = subprocess.run([sys.executable, "-c", script, *call.split()], capture_output=True, text=True, timeout=120)
    assert shown.stderr.splitlines()[-1] == "[]"
