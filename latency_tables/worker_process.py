"""The near end of the measuring process: requests with a time limit, and what is said when it dies."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from latency_tables.errors import MeasurementError, RuntimeUnavailableError
from latency_tables.machine import MachineState
from latency_tables.runtimes import InputShape, NodeTime
from latency_tables.transport import LOCAL, WorkerDiedError, first_input, start_worker, why_it_ended

_OPEN_SECONDS = 120.0
_FAREWELL_SECONDS = 5.0  # that a process has to delete its files, before it is killed
_LAST_WORDS_BYTES = 4096


class Connection:
    """Requests to a measuring process on a device, one at a time.

    Use it as a context; after the first error other than of a request it is of no further use.
    """

    def __init__(self, device: str, ssh_options: Sequence[str] = ()) -> None:
        self._device, self._unsent = device, first_input(device)
        # what it prints, since the latest answer: unbuffered, for it shares the position with that process
        self._log = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        try:
            self._process = start_worker(device, self._log, ssh_options)
        except BaseException:
            self._log.close()
            raise
        assert self._process.stdin and self._process.stdout
        self._stdin, self._stdout = self._process.stdin, self._process.stdout

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        """Whether the process runs, as far as this end can tell."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process; it deletes its files."""
        self._hang_up()
        for stream in (self._stdin, self._stdout, self._log):
            stream.close()

    def ask(self, request: dict[str, Any], *, limit: float, files: Sequence[Path] = ()) -> Any:
        """Return the answer to a request; the process is ended if it takes more than `limit` seconds.

        Raises MeasurementError or RuntimeUnavailableError as the other end did, WorkerDiedError, UnreachableError.
        """
        if self._stdin.closed:
            raise WorkerDiedError("the measuring process was ended")
        if files:
            request = request | {"files": {path.name: path.stat().st_size for path in files}}
        with self._time_limit(limit):
            with contextlib.suppress(BrokenPipeError):
                self._send(request, files)
            answer = self._receive()
        if answer is None:
            raise why_it_ended(self._device, self._hang_up(), self._last_words())
        # here, not before the request: a process that ended at once has said why by then
        self._log.seek(0)
        self._log.truncate()
        if "error" in answer:
            kind = RuntimeUnavailableError if answer["kind"] == "RuntimeUnavailableError" else MeasurementError
            where = "" if self._device == LOCAL else f" (on {self._device})"
            raise kind(" ".join(answer["error"].split()) + where)
        return answer["ok"]

    def _send(self, request: dict[str, Any], files: Sequence[Path]) -> None:
        self._stdin.write(self._unsent + json.dumps(request).encode() + b"\n")
        self._unsent = b""
        for path in files:
            with path.open("rb") as file:
                shutil.copyfileobj(file, self._stdin, 2**20)
        self._stdin.flush()

    def _receive(self) -> dict[str, Any] | None:
        """Return the next answer, None where the process ended; what a login prints before is passed over."""
        for line in self._stdout:
            with contextlib.suppress(ValueError):
                answer = json.loads(line)
                if isinstance(answer, dict):
                    return answer
        return None

    @contextlib.contextmanager
    def _time_limit(self, seconds: float) -> Iterator[None]:
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            self._stop()

        timer = threading.Timer(seconds, expire)
        timer.daemon = True
        timer.start()
        try:
            yield
        except BaseException:  # a request sent in part: nothing can follow it
            self._stop()
            raise
        finally:
            timer.cancel()
        if expired.is_set():
            where = "" if self._device == LOCAL else f" on {self._device}"
            raise WorkerDiedError(f"took longer than {seconds:g} s{where} and was stopped")

    def _hang_up(self) -> int:
        """Close the process' input, upon which it ends, and return its exit code."""
        self._stdin.raw.close()  # not of the buffer: what is left in it could block
        if not self._ends():
            self._stop()
        return self._process.wait()

    def _stop(self) -> None:
        """End the process even if it does not read its input."""
        self._process.terminate()
        if not self._ends():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _ends(self) -> bool:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_FAREWELL_SECONDS)
        return self._process.returncode is not None

    def _last_words(self) -> str:
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - _LAST_WORDS_BYTES))
        return self._log.read().decode(errors="replace")


class WorkerProcess:
    """A measuring process for one runtime on one device.

    Args:
        device: `local`, or `ssh://[user@]host[:port][/path/of/python]`.
        limit_seconds: for one request; a runtime that takes longer is ended.

    Raises RuntimeUnavailableError where the device lacks the runtime, MeasurementError where it cannot be reached.
    """

    def __init__(
        self,
        runtime: str,
        dtype: str,
        threads: int,
        *,
        device: str = LOCAL,
        limit_seconds: float = 300.0,
        ssh_options: Sequence[str] = (),
    ) -> None:
        self._limit = limit_seconds
        self._connection = Connection(device, ssh_options)
        request = {"do": "open", "runtime": runtime, "dtype": dtype, "threads": threads}
        try:
            self.facts: dict[str, Any] = self._connection.ask(request, limit=_OPEN_SECONDS)
        except BaseException:
            self.close()
            raise

    @property
    def alive(self) -> bool:
        """Whether the process runs, as far as this end can tell."""
        return self._connection.alive

    def load(self, name: str, path: Path, input_shape: InputShape | None = None) -> None:
        """Send the model file `path`, with all that lies beside it, and make it ready to run under `name`."""
        files = sorted(p for p in path.parent.iterdir() if p.is_file())
        self._ask("load", files, name=name, main=path.name, input_shape=input_shape)

    def visit(self, name: str, reference: str | None, samples: int) -> list[list[float]]:
        """Return `samples` times [ms, disturbed, ms of the reference, disturbed], taken in turns."""
        return self._ask("visit", name=name, reference=reference, samples=samples)

    def profile(self, name: str, runs: int) -> list[NodeTime] | None:
        """Return the runtime's time of each node; None where it offers no profile."""
        nodes = self._ask("profile", name=name, runs=runs)
        if nodes is None:
            return None
        shapes = ("inputs", "outputs")
        return [NodeTime(**node | {key: tuple(map(tuple, node[key])) for key in shapes}) for node in nodes]

    def state(self) -> MachineState:
        """Return what may disturb a measurement there just now."""
        return MachineState(*self._ask("state"))

    def unload(self, name: str) -> None:
        """Forget a session."""
        self._ask("unload", name=name)

    def close(self) -> None:
        """End the process; it deletes its files."""
        self._connection.close()

    def _ask(self, what: str, files: Sequence[Path] = (), **details: Any) -> Any:
        return self._connection.ask({"do": what, **details}, limit=self._limit, files=files)


def list_runtimes(device: str = LOCAL, ssh_options: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """Return what each runtime is on a device: its version, None where it is missing, its dtypes, how to install it."""
    with Connection(device, ssh_options) as connection:
        return connection.ask({"do": "runtimes"}, limit=_OPEN_SECONDS)
