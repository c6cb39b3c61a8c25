"""The parameters and multiply-adds that NAS-Bench-201 published of its networks."""

import csv
import os
import random
from pathlib import Path

import pytest
import torch

from search import SPACES
from zoo import complexity

SPACE = SPACES.get("nasbench201")
# outputs of one edge of the cell, in all 15 cells: 5 x (16 x 32 x 32 + 32 x 16 x 16 + 64 x 8 x 8)
EDGE_OUTPUTS = 143_360


def rows() -> list[dict[str, str]]:
    folder = os.environ.get("EDGEZOO_DATA")
    path = Path(folder or "") / "nasbench201_cifar10_724.csv"
    if not folder or not path.is_file():
        pytest.skip("needs nasbench201_cifar10_724.csv in the folder that EDGEZOO_DATA names")
    with path.open() as file:
        return list(csv.DictReader(file))


def check(row: dict[str, str]) -> None:
    """Compare one network with its row.

    The table's "FLOPs" are our multiply-adds, and besides 3 for each output of an edge with a convolution (its ReLU
    and batch norm), 9 for each output of an edge with a pool, and 160,832 for norms, activations and pools outside
    the cells.
    """
    params = SPACE.from_arch_str(row["arch_str"])
    assert SPACE.to_arch_str(params) == row["arch_str"]
    cost = complexity(SPACE.decode(params).build(10), (3, 32, 32))
    assert f"{cost.params / 1e6:.6f}" == row["params_m"]
    convs, pools = row["arch_str"].count("nor_conv"), row["arch_str"].count("avg_pool")
    extra = 160_832 + EDGE_OUTPUTS * (3 * convs + 9 * pools)
    assert f"{(cost.macs + extra) / 1e6:.6f}" == row["flops_m"]


def test_networks_have_the_published_parameters_and_macs():
    for row in random.Random(0).sample(rows(), 60):
        check(row)


@pytest.mark.slow
def test_all_networks_have_the_published_parameters_and_macs():
    for row in rows():
        check(row)


def test_the_most_accurate_network_has_the_cost_that_the_paper_reports():
    best = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|"
    network = SPACE.decode(SPACE.from_arch_str(best)).build(10)
    cost = complexity(network, (3, 32, 32))
    # four 3x3 and one 1x1 convolution: 153.27 M and 1.073 M in the benchmark's interface
    assert (f"{cost.macs / 1e6:.2f}", f"{cost.params / 1e6:.3f}") == ("153.27", "1.073")
    assert network(torch.randn(2, 3, 32, 32)).shape == (2, 10)
