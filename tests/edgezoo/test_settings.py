import subprocess
import sys

import pytest

from edgezoo.settings import RunError, RunSettings, claim_folder, locked


def _settings(**changes):
    return RunSettings(**{"data": "digits", "runtime": "onnxruntime", "dtype": "int8", "budget_ms": 0.3} | changes)


def test_a_folder_belongs_to_one_set_of_settings(tmp_path):
    claim_folder(tmp_path, _settings())
    claim_folder(tmp_path, _settings())
    with pytest.raises(RunError, match=r"budget_ms 0.3 \(now 0.5\), seed 0 \(now 1\)"):
        claim_folder(tmp_path, _settings(budget_ms=0.5, seed=1))


def test_damaged_settings_are_one_line(tmp_path):
    (tmp_path / "settings.json").write_text("{")
    with pytest.raises(RunError, match="cannot be read"):
        claim_folder(tmp_path, _settings())


def test_two_processes_do_not_share_a_folder(tmp_path):
    script = (
        "import sys; from pathlib import Path; from edgezoo.settings import locked\n"
        "with locked(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(RunError, match="in use by another"), locked(tmp_path):
            pass
        other.stdin.close()
    with locked(tmp_path):
        pass


def test_a_file_in_place_of_the_folder_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot use"), locked(tmp_path / "file" / "run"):
        pass
