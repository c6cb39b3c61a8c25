"""A runtime whose model files say how it misbehaves, and when: a JSON object.

`load` and `run` name what happens there, `after` so many runs, and only once the file `if` exists.
"""

import json
import os
import sys
import time
from pathlib import Path

from latency_tables.errors import MeasurementError
from latency_tables.runtimes import RUNTIMES

REFERENCE = {}  # what the reference network does
_WELL_BEHAVED_SECONDS = 0.0005


class OddError(BaseException):
    """An exception that cannot even be printed, of no usual kind."""

    def __str__(self):
        raise ValueError("no text")


def _flood():
    for _ in range(200):
        os.write(2, b"noise without an end " * 1000)
    os.write(2, b"\n")


def _print():
    print('{"ok": "printed"}')
    sys.stdout.flush()
    os.write(1, b'{"ok": "written"}\n')


def _raise(error):
    raise error


_DEEDS = {
    "abort": lambda: (os.write(2, b"odd: giving up\n"), os.abort()),
    "exit": lambda: sys.exit("odd: leaving"),
    "hang": lambda: time.sleep(600),
    "flood": _flood,
    "print": _print,
    "read": lambda: sys.stdin.buffer.read() == b"" or os.abort(),
    "odd error": lambda: _raise(OddError()),
    "two lines": lambda: _raise(MeasurementError("first\nsecond")),
    "error": lambda: _raise(RuntimeError("of\nmany lines")),
}


class OddSession:
    def __init__(self, deeds):
        self._deeds, self._runs = deeds, 0
        _do(deeds, "load")

    def run(self):
        self._runs += 1
        end = time.perf_counter() + _WELL_BEHAVED_SECONDS
        while time.perf_counter() < end:
            pass
        if self._runs > self._deeds.get("after", 0):
            _do(self._deeds, "run")

    def predict(self, images):
        return images

    def profile(self, runs):
        return None


def _do(deeds, when):
    if when in deeds and Path(deeds.get("if", "/")).exists():
        _DEEDS[deeds[when]]()


@RUNTIMES.register("odd")
class OddRuntime:
    dtypes = ("fp32",)
    suffixes = (".odd",)
    install = "nothing"

    @staticmethod
    def version():
        return "1"

    @staticmethod
    def settings(dtype):
        return {}

    @staticmethod
    def export(module, input_shape, folder, *, dtype, calibration):
        (folder / "model.odd").write_text(json.dumps(REFERENCE))
        return folder / "model.odd"

    @staticmethod
    def load(path, input_shape, *, dtype, threads):
        return OddSession(json.loads(path.read_text()))
