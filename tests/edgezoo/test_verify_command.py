import json

import pytest

from model_compression import compress
from zoo import ArchSpec, BlockSpec
from zoo.training import TrainConfig

SPEC = ArchSpec(resolution=16, blocks=(BlockSpec(kind="conv", out_chans=16, stride=2),))


@pytest.fixture(scope="module")
def folder(digits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shipped")
    compress(SPEC, digits, recipe="train+int8", folder=folder, config=TrainConfig(epochs=1))
    return folder


def test_what_was_shipped_holds_and_a_changed_file_fails(folder, edgezoo):
    done = edgezoo("verify", folder, "--json")
    checks = {check["subject"]: check for check in json.loads(done.stdout)}
    assert checks["bytes"]["holds"] and checks["accuracy"]["holds"]
    (folder / "model.onnx").write_bytes(b"x")
    done = edgezoo("verify", folder)
    assert done.returncode == 1 and "FAILS" in done.stdout


def test_a_folder_without_artifact_is_one_line(tmp_path, edgezoo):
    done = edgezoo("verify", tmp_path)
    assert done.returncode == 1 and done.stderr.startswith("error: cannot read the card")
