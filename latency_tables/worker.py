"""The process that measures: loads model files into runtimes and times them, as told over a pipe.

It runs apart from everything else, here or on another machine, so that a runtime that crashes or hangs takes nothing
with it. A message is a line of JSON; where it names files, their bytes follow it in order. Every request is answered by
one line: `{"ok": ...}` or `{"error": text, "kind": ...}`.
"""

import dataclasses
import json
import os
import shutil
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from latency_tables.errors import MeasurementError, RuntimeUnavailableError
from latency_tables.machine import affinity, machine_facts, machine_state
from latency_tables.runtimes import RUNTIMES, Runtime, Session, get_runtime
from latency_tables.sampling import Timer

_CHUNK_BYTES = 2**20


class Worker:
    """Holds the sessions of one runtime and does what the requests say.

    Args:
        threads: of the runtime for one image; a single one is kept on one core.
    """

    def __init__(self, runtime: Runtime, dtype: str, threads: int) -> None:
        self._runtime, self._dtype, self._threads = runtime, dtype, threads
        self._sessions: dict[str, Session] = {}
        self._timers: dict[str, Timer] = {}
        self._folders: dict[str, Path] = {}

    def load(self, name: str, path: Path, input_shape: Sequence[int] | None) -> None:
        """Make the model file `path` ready to run under `name`, warmed up; its folder is deleted with the session."""
        self.unload(name)
        self._folders[name] = path.parent
        try:
            shape = None if input_shape is None else tuple(input_shape)
            session = self._runtime.load(path, shape, dtype=self._dtype, threads=self._threads)
            self._timers[name] = Timer(session, single_thread=self._threads == 1)
            self._sessions[name] = session
        except BaseException:
            self.unload(name)
            raise

    def unload(self, name: str) -> None:
        """Forget a session."""
        self._sessions.pop(name, None)
        self._timers.pop(name, None)
        if name in self._folders:
            shutil.rmtree(self._folders.pop(name), ignore_errors=True)

    def visit(self, name: str, reference: str | None, samples: int) -> list[list[float]]:
        """Return `samples` times [milliseconds, disturbed, the reference's milliseconds, disturbed], in turns."""
        timer, pace = self._timers[name], self._timers[reference] if reference else None
        taken = []
        for _ in range(samples):
            theirs = (0.0, False)
            if pace:
                pace.warm()
                theirs = dataclasses.astuple(pace.sample())
            timer.warm()
            taken.append([*dataclasses.astuple(timer.sample()), *theirs])
        return taken

    def profile(self, name: str, runs: int) -> list[dict[str, Any]] | None:
        """Return the runtime's time of each node; None where it offers no profile."""
        nodes = self._sessions[name].profile(runs)
        return None if nodes is None else [dataclasses.asdict(node) for node in nodes]


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are no more."""
    worker: Worker | None = None
    with tempfile.TemporaryDirectory(prefix="edgezoo-") as folder:
        while line := requests.readline():
            request = json.loads(line)
            try:
                if request["do"] == "open":
                    answer, worker = _open(request["runtime"], request["dtype"], request["threads"])
                elif request["do"] == "runtimes":
                    answer = _known_runtimes()
                else:
                    assert worker, "open comes first"
                    answer = _answer(worker, request, requests, folder)
                reply = json.dumps({"ok": answer})
            except (MeasurementError, RuntimeUnavailableError) as error:
                reply = json.dumps({"error": str(error), "kind": type(error).__name__})
            except BaseException as error:  # a runtime may raise anything: it is an error of this entry only
                traceback.print_exc()
                text = "".join(traceback.format_exception_only(error)).splitlines()[0]
                reply = json.dumps({"error": text, "kind": "MeasurementError"})
            answers.write(reply.encode() + b"\n")
            answers.flush()


def _open(name: str, dtype: str, threads: int) -> tuple[dict[str, Any], Worker]:
    facts = machine_facts()
    # before the runtime is imported: it counts the cores then
    os.environ |= {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    if affinity(threads) == "one core":
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    runtime = get_runtime(name, dtype)
    settings = {**runtime.settings(dtype), "affinity": affinity(threads)}
    facts |= {"runtime_version": runtime.version(), "settings": settings}
    return facts, Worker(runtime, dtype, threads)


def _known_runtimes() -> dict[str, dict[str, Any]]:
    known = {name: RUNTIMES.get(name) for name in RUNTIMES}
    return {n: {"version": r.version(), "dtypes": r.dtypes, "install": r.install} for n, r in known.items()}


def _answer(worker: Worker, request: dict[str, Any], requests: BinaryIO, folder: str) -> Any:
    what, name = request["do"], request.get("name", "")
    if what == "state":
        return machine_state()
    if what == "load":
        home = _receive(request["files"], requests, folder)
        return worker.load(name, home / request["main"], request["input_shape"])
    if what == "visit":
        return worker.visit(name, request["reference"], request["samples"])
    if what == "profile":
        return worker.profile(name, request["runs"])
    if what == "unload":
        return worker.unload(name)
    raise MeasurementError(f"unknown request {what!r}")


def _receive(files: dict[str, int], source: BinaryIO, folder: str) -> Path:
    """Return a new folder with the files; all bytes are read even where storing fails: the next request follows."""
    home, failure = Path(tempfile.mkdtemp(dir=folder)), None
    for name, size in files.items():
        chunks = _chunks(source, size)
        try:
            with (home / name).open("wb") as file:
                file.writelines(chunks)
        except OSError as error:
            failure = error
            for _ in chunks:
                pass
    if failure:
        shutil.rmtree(home)
        raise MeasurementError(f"the model file cannot be stored: {failure.strerror}")
    return home


def _chunks(source: BinaryIO, size: int) -> Iterator[bytes]:
    while size:
        chunk = source.read(min(size, _CHUNK_BYTES))
        if not chunk:
            raise MeasurementError("the model file was cut short on its way")
        size -= len(chunk)
        yield chunk


def main() -> None:
    """Serve over standard input and output; what runtimes print goes to standard error, and they can read nothing."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    serve(requests, answers)


if __name__ == "__main__":
    main()
