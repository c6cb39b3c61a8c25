import json
import shutil

import pytest

from model_compression import compress
from model_compression.errors import ArtifactError
from model_compression.export.verify import verify_artifact
from zoo import ArchSpec, BlockSpec
from zoo.training import TrainConfig

SPEC = ArchSpec(resolution=16, blocks=(BlockSpec(kind="conv", out_chans=16, stride=2),))


@pytest.fixture(scope="module")
def shipped(digits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shipped")
    return compress(SPEC, digits, recipe="train+int8", folder=folder, config=TrainConfig(epochs=2)).path


@pytest.fixture
def path(shipped, tmp_path):
    for name in ("model.onnx", "model.json"):
        shutil.copyfile(shipped.with_name(name), tmp_path / name)
    return tmp_path / "model.onnx"


def _edit(path, **changes):
    card = path.with_suffix(".json")
    card.write_text(json.dumps(json.loads(card.read_text()) | changes))


def test_what_was_shipped_holds(path):
    checks = {check.subject: check for check in verify_artifact(path)}
    assert checks["bytes"].holds and checks["accuracy"].holds
    assert "card says" in checks["latency"].told


def test_a_changed_byte_is_found_and_the_file_is_not_run(path):
    path.write_bytes(path.read_bytes() + b"\0")
    (check,) = verify_artifact(path)
    assert check.subject == "bytes" and check.holds is False


def test_a_boast_is_found(path):
    _edit(path, test={"fp32": 1.0, "int8": 1.0}, measured_ms=1e-6)
    checks = {check.subject: check for check in verify_artifact(path)}
    assert checks["accuracy"].holds is False and checks["latency"].holds is False


def test_a_machine_that_is_slower_than_then_is_no_slower_network(path):
    card = json.loads(path.with_suffix(".json").read_text())
    _edit(path, measured_ms=card["measured_ms"] / 2, reference_ms=card["reference_ms"] / 2)
    latency = verify_artifact(path)[-1]
    assert latency.holds and "times as slow as then" in latency.told


def test_the_latency_of_another_device_is_told_but_not_judged(path):
    card = json.loads(path.with_suffix(".json").read_text())
    _edit(path, device=card["device"] | {"cpu": "another"}, measured_ms=1e-6)
    latency = verify_artifact(path)[-1]
    assert latency.holds is None and "another device" in latency.told


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"spec": 3}'])
def test_a_bad_card_is_one_line(path, content):
    path.with_suffix(".json").write_text(content)
    with pytest.raises(ArtifactError, match="no model card"):
        verify_artifact(path)


def test_a_missing_card_or_file_is_one_line(path):
    path.unlink()
    with pytest.raises(ArtifactError, match="cannot read"):
        verify_artifact(path)
    path.with_suffix(".json").unlink()
    with pytest.raises(ArtifactError, match="cannot read the card"):
        verify_artifact(path)
