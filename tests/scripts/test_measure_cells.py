import csv
import os
import runpy
from pathlib import Path

import pytest
import torch

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "measure_cells.py"))


def test_edges_of_a_cell():
    cell = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_1x1~2|"
    assert SCRIPT["edges"](cell) == [
        [("nor_conv_3x3", 0)],
        [("none", 0), ("skip_connect", 1)],
        [("avg_pool_3x3", 0), ("none", 1), ("nor_conv_1x1", 2)],
    ]


def test_networks_have_the_parameters_that_the_benchmark_publishes():
    path = Path(os.environ.get("EDGEZOO_DATA", "")) / "nasbench201_cifar10_724.csv"
    if not path.is_file():
        pytest.skip("needs nasbench201_cifar10_724.csv in the folder that EDGEZOO_DATA names")
    with path.open() as file:
        rows = list(csv.DictReader(file))[::25]
    for row in rows:
        with torch.device("meta"):
            params = sum(p.numel() for p in SCRIPT["build"](row["arch_str"]).parameters())
        assert params / 1e6 == pytest.approx(float(row["params_m"]), abs=1e-9), row["arch_str"]


@pytest.mark.parametrize(
    "cell",
    [
        "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
        "|skip_connect~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|none~0|nor_conv_1x1~1|skip_connect~2|",
    ],
)
def test_every_cell_classifies(cell):
    assert SCRIPT["build"](cell).eval()(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
