import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "bench_supernet.py"


@pytest.mark.slow
def test_a_second_run_finds_everything_done_and_prints_the_same_table(small_space, tmp_path):
    space = tmp_path / "small.json"
    space.write_text(small_space.model_dump_json())
    command = [sys.executable, str(SCRIPT), "--space", str(space), "--epochs", "1", "--networks", "5"]
    command += ["--train-epochs", "1", "--again", "--out", str(tmp_path / "out")]
    first, second = (subprocess.run(command, check=True, capture_output=True, text=True).stdout for _ in range(2))
    table = first[first.index("| score |") :]
    assert second.strip() == table.strip()
    assert [line.split("|")[1].strip() for line in table.splitlines()[2:6]] == [
        "supernet", "second training", "parameters", "multiply-adds",
    ]  # fmt: skip
