"""The near end of the measuring process: requests with a time limit, and what is said when it dies."""

import contextlib
import json
import signal
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from latency_tables.errors import MeasurementError, RuntimeUnavailableError
from latency_tables.machine import MachineState
from latency_tables.runtimes import InputShape, NodeTime
from latency_tables.transport import start_worker

_OPEN_SECONDS = 120.0


class WorkerDiedError(MeasurementError):
    """The measuring process crashed, or was ended because it took too long."""


class WorkerProcess:
    """A measuring process for one runtime on one device.

    Args:
        device: `local`, or `ssh://[user@]host[:port][/path/of/python]`.
        limit_seconds: for one request; a runtime that takes longer is ended.

    Raises RuntimeUnavailableError where the device lacks the runtime, WorkerDiedError where it cannot be reached.
    """

    def __init__(
        self,
        runtime: str,
        dtype: str,
        threads: int,
        *,
        device: str = "local",
        limit_seconds: float = 300.0,
        ssh_options: Sequence[str] = (),
    ) -> None:
        self._limit, self._where = limit_seconds, "" if device == "local" else f" on {device}"
        self._log = tempfile.TemporaryFile()
        self._process = start_worker(device, self._log, ssh_options)
        try:
            opened = self._ask(
                {"do": "open", "runtime": runtime, "dtype": dtype, "threads": threads}, limit=_OPEN_SECONDS
            )
        except BaseException:
            self.close()
            raise
        self.facts: dict[str, Any] = opened

    def load(self, name: str, path: Path, input_shape: InputShape | None = None) -> None:
        """Send the model file `path`, with all that lies beside it, and make it ready to run under `name`."""
        files = sorted(p for p in path.parent.iterdir() if p.is_file())
        sizes = {p.name: p.stat().st_size for p in files}
        request = {"do": "load", "name": name, "main": path.name, "files": sizes, "input_shape": input_shape}
        self._ask(request, files)

    def visit(self, name: str, reference: str | None, samples: int) -> list[list[float]]:
        """Return `samples` times [ms, disturbed, ms of the reference, disturbed], taken in turns."""
        return self._ask({"do": "visit", "name": name, "reference": reference, "samples": samples})

    def profile(self, name: str, runs: int) -> list[NodeTime] | None:
        """Return the runtime's time of each node; None where it offers no profile."""
        nodes = self._ask({"do": "profile", "name": name, "runs": runs})
        if nodes is None:
            return None
        return [
            NodeTime(
                op=node["op"],
                executed=node["executed"],
                module=node["module"],
                inputs=tuple(map(tuple, node["inputs"])),
                outputs=tuple(map(tuple, node["outputs"])),
                ms=node["ms"],
            )
            for node in nodes
        ]

    def state(self) -> MachineState:
        """Return what may disturb a measurement there just now."""
        return MachineState(*self._ask({"do": "state"}))

    def unload(self, name: str) -> None:
        """Forget a session."""
        self._ask({"do": "unload", "name": name})

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            with contextlib.suppress(BrokenPipeError):
                stream.close()  # type: ignore[union-attr]

    def _ask(self, request: dict[str, Any], files: Sequence[Path] = (), *, limit: float | None = None) -> Any:
        limit = self._limit if limit is None else limit
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            self._process.kill()

        timer = threading.Timer(limit, expire)
        timer.start()
        answer = b""
        try:
            stdin, stdout = self._process.stdin, self._process.stdout
            assert stdin and stdout
            with contextlib.suppress(BrokenPipeError):
                stdin.write(json.dumps(request).encode() + b"\n")
                for path in files:
                    stdin.write(path.read_bytes())
                stdin.flush()
            answer = stdout.readline()
        finally:
            timer.cancel()
        if expired.is_set():
            raise WorkerDiedError(f"took longer than {limit:g} s{self._where} and was stopped")
        try:
            reply = json.loads(answer)
        except ValueError:
            raise WorkerDiedError(self._cause_of_death()) from None
        if "error" in reply:
            kind = RuntimeUnavailableError if reply["kind"] == "RuntimeUnavailableError" else MeasurementError
            raise kind(f"{reply['error']}{self._where}")
        return reply["ok"]

    def _cause_of_death(self) -> str:
        code = self._process.wait()
        self._log.seek(0)
        lines = [line.strip() for line in self._log.read().decode(errors="replace").splitlines() if line.strip()]
        said = f": {lines[-1]}" if lines else ""
        if code < 0:
            with contextlib.suppress(ValueError):
                return f"the measuring process{self._where} crashed ({signal.Signals(-code).name}){said}"
        return f"the measuring process{self._where} ended (exit code {code}){said}"
