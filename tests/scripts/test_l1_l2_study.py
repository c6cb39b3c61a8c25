import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "l1_l2_study.py"


@pytest.mark.slow
def test_two_seeds_give_a_row_before_and_after_retraining():
    command = [sys.executable, str(SCRIPT), "--seeds", "2", "--sparsities", "0.5", "0.9", "--epochs", "3"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:]]
    assert [row[:2] for row in cells] == [
        ["0.5", "pruned"], ["0.5", "retrained"], ["0.9", "pruned"], ["0.9", "retrained"],
    ]  # fmt: skip
    assert all(10 <= float(value) <= 100 for row in cells for value in row[2:4])
