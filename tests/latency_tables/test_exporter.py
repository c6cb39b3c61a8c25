import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import onnx
import pytest

import zoo
from latency_tables import MeasurementError
from latency_tables.exporter import ExportJob, export, export_all


def _job(folder: Path, name: str = "mobilenetv1_025", runtime: str = "onnxruntime") -> ExportJob:
    folder.mkdir()
    spec = zoo.get_spec(name).at_resolution(32)
    return ExportJob(spec=spec, runtime=runtime, dtype="fp32", batch=2, in_chans=1, num_classes=7, folder=folder)


def _children() -> list[int]:
    command = ["pgrep", "-P", str(os.getpid()), "-f", "latency_tables.exporter"]
    found = subprocess.run(command, capture_output=True, text=True).stdout
    return [int(line) for line in found.split()]


def test_files_are_written_for_the_batch_channels_and_classes_asked_for(tmp_path):
    jobs = [_job(tmp_path / str(i), name) for i, name in enumerate(("mobilenetv1_025", "shufflenet_v2_x0_5"))]
    done = {exported.job.spec.digest: exported for exported in export_all(jobs)}
    for job in jobs:
        path = done[job.spec.digest].path
        assert path and path.parent == job.folder and not done[job.spec.digest].failure
        graph = onnx.load(path).graph
        shapes = [[d.dim_value for d in v.type.tensor_type.shape.dim] for v in (*graph.input, *graph.output)]
        assert shapes == [[2, 1, 32, 32], [2, 7]]
    assert not _children()


def test_what_cannot_be_exported_is_a_failure_in_one_line_and_the_others_go_on(tmp_path):
    bad, good = _job(tmp_path / "bad"), _job(tmp_path / "good")
    bad.folder.rmdir()
    with pytest.raises(MeasurementError, match="cannot be written as ONNX"):
        export(bad)
    done = {exported.job.folder.name: exported for exported in export_all([bad, good])}
    assert done["bad"].path is None and "cannot be written as ONNX" in done["bad"].failure
    assert "\n" not in done["bad"].failure
    assert done["good"].path


def test_an_exporter_that_crashes_is_started_again(tmp_path):
    jobs = [_job(tmp_path / str(i)) for i in range(4)]

    def kill_one():
        while not _children():
            time.sleep(0.05)
        time.sleep(1.0)  # it is importing PyTorch, a job in hand
        os.kill(_children()[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    done = list(export_all(jobs))
    killer.join()
    assert [exported.failure for exported in done if exported.failure] == ["the export for onnxruntime crashed"]
    assert sum(exported.path is not None for exported in done) == 3


def test_one_that_hangs_is_stopped(tmp_path):
    (exported,) = export_all([_job(tmp_path / "slow")], limit_seconds=0.5)
    assert exported.failure == "the export for onnxruntime took longer than 0.5 s"
    assert not _children()


def test_no_jobs_start_nothing():
    assert list(export_all([])) == []
