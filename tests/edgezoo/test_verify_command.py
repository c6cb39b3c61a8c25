import json
import shutil


def test_what_was_shipped_holds_and_a_changed_file_fails(shipped, tmp_path, edgezoo):
    folder = shutil.copytree(shipped, tmp_path / "shipped")
    done = edgezoo("verify", folder, "--json")
    checks = {check["subject"]: check for check in json.loads(done.stdout)}
    assert checks["bytes"]["holds"] and checks["accuracy"]["holds"]
    (folder / "model.onnx").write_bytes(b"x")
    done = edgezoo("verify", folder)
    assert done.returncode == 1 and "FAILS" in done.stdout


def test_a_folder_without_artifact_is_one_line(tmp_path, edgezoo):
    done = edgezoo("verify", tmp_path)
    assert done.returncode == 1 and done.stderr.startswith("error: cannot read the card")
