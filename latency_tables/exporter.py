"""Writing the model files of many networks at once, in processes of their own: an exporter may crash or hang, too."""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from latency_tables.machine import available_cores
from latency_tables.runtimes import random_images
from zoo import ArchSpec, EdgezooError
from zoo.errors import first_line


class ExportJob(BaseModel):
    """A network to be written for a runtime, with random weights, into an empty folder."""

    model_config = ConfigDict(frozen=True)

    spec: ArchSpec
    runtime: str
    dtype: str
    batch: int
    in_chans: int
    num_classes: int
    folder: Path


class Exported(NamedTuple):
    """The model file of a job, or why there is none."""

    job: ExportJob
    path: Path | None
    failure: str


def export_all(jobs: Sequence[ExportJob], *, limit_seconds: float = 300.0) -> Iterator[Exported]:
    """Yield the outcome of each job as it is done, on all cores; one that takes longer than the limit has failed."""
    count = min(available_cores(), len(jobs))
    processes: queue.SimpleQueue[_Process] = queue.SimpleQueue()
    for _ in range(count):
        processes.put(_Process(limit_seconds))
    pool = ThreadPoolExecutor(max(count, 1))

    def run(job: ExportJob) -> Exported:
        process = processes.get()
        try:
            return process.export(job)
        finally:
            processes.put(process)

    try:
        for future in as_completed([pool.submit(run, job) for job in jobs]):
            yield future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for _ in range(count):
            processes.get().close()


class _Process:
    """An exporting process, started when first needed and again after it died."""

    def __init__(self, limit_seconds: float) -> None:
        self._limit = limit_seconds
        self._process: subprocess.Popen[str] | None = None

    def export(self, job: ExportJob) -> Exported:
        """Return the outcome of a job."""
        process = self._running()
        assert process.stdin and process.stdout
        timer = threading.Timer(self._limit, process.kill)
        timer.start()
        try:
            process.stdin.write(job.model_dump_json() + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        finally:
            in_time = timer.is_alive()
            timer.cancel()
        if not answer:
            self.close()
            said = "crashed" if in_time else f"took longer than {self._limit:g} s"
            return Exported(job, None, f"the export for {job.runtime} {said}")
        reply = json.loads(answer)
        return Exported(job, Path(reply["path"]) if reply["path"] else None, reply["failure"])

    def _running(self) -> "subprocess.Popen[str]":
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "latency_tables.exporter"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                start_new_session=True,  # Ctrl-C reaches the parent, which ends this one
            )
        return self._process

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                assert stream
                stream.close()
            self._process = None


def export(job: ExportJob) -> Path:
    """Write the model file of `job` in this process and return it; raises MeasurementError where it cannot be."""
    from latency_tables.runtimes import RUNTIMES

    size = job.spec.resolution
    shape = (job.batch, job.in_chans, size, size)
    network = job.spec.deployed().build(job.num_classes, job.in_chans, seed=0)
    backend = RUNTIMES.get(job.runtime)
    return backend.export(network, shape, job.folder, dtype=job.dtype, calibration=random_images(shape))


def _reply(line: str) -> dict[str, str]:
    try:
        return {"path": str(export(ExportJob.model_validate_json(line))), "failure": ""}
    except EdgezooError as error:
        return {"path": "", "failure": " ".join(str(error).split())}
    except Exception as error:  # an exporter may raise anything: it is an error of this network only
        return {"path": "", "failure": f"{type(error).__name__}: {first_line(error)}"}


def main() -> None:
    """Answer jobs on standard input, a line each; what exporters print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        answers.write(json.dumps(_reply(line)) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
