"""What a device runs first: unpacks the measuring process, ends it when nobody listens any more, leaves no file behind.

Sent as text to a Python of unknown age: the standard library only, and no syntax newer than Python 3.6.
"""

import importlib.util
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

_OLDEST_PYTHON = (3, 10)


def main():
    """Run the measuring process that comes on standard input; exit as it does, with 128 + n where signal n ended it."""
    if sys.version_info < _OLDEST_PYTHON:
        sys.exit("Python {}.{} or newer is needed, this is {}.{}".format(*_OLDEST_PYTHON, *sys.version_info))
    if importlib.util.find_spec("numpy") is None:
        sys.exit(f"this Python lacks numpy; install it there with: {sys.executable} -m pip install numpy")
    print(flush=True)  # a login may have printed half a line before
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix="edgezoo-") as home:
        archive = Path(home, "worker.zip")
        _receive(archive)
        worker = subprocess.Popen([sys.executable, str(archive)], env=dict(os.environ, TMPDIR=home))
        try:
            threading.Thread(target=_end_with_input, args=(worker,), daemon=True).start()
            code = worker.wait()
        finally:
            worker.kill()
            worker.wait()
    sys.exit(code if code >= 0 else 128 - code)


def _receive(path):
    """Write the first part of standard input, a line with its size and the bytes, to a file."""
    source = sys.stdin.buffer.raw  # reads nothing ahead: the rest is for the worker
    left = int(source.readline())
    with path.open("wb") as file:
        while left:
            chunk = source.read(left)
            if not chunk:
                sys.exit("the other end is gone")
            file.write(chunk)
            left -= len(chunk)


def _end_with_input(worker):
    """End the worker, even one that hangs, once the other end of standard input is closed."""
    hangup = select.poll()
    hangup.register(0, getattr(select, "POLLRDHUP", 0))  # a pipe's end is always told, a socket's only if asked for
    hangup.poll()
    worker.kill()


if __name__ == "__main__":
    main()
