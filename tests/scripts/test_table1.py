import runpy
from pathlib import Path

import pytest
import torch
from torch import nn

import zoo
from zoo.models.baselines import BASELINES

ROOT = Path(__file__).parents[2]
TABLE = runpy.run_path(str(ROOT / "scripts" / "table1.py"))


def on_meta(network_of):
    with torch.device("meta"):
        return network_of()


# what the networks are called, or what their papers say of them
@pytest.mark.parametrize(
    ("name", "layers"),
    [("alexnet", 8), ("googlenet", 22), ("vgg16", 16), ("densenet121", 121), ("resnet50", 50), ("senet154", 154)],
)
def test_layers_of_the_baselines_are_those_of_their_names(name, layers):
    assert TABLE["depth"](on_meta(lambda: BASELINES[name].create(1000, 3)), side=64) == layers


@pytest.mark.parametrize(("name", "layers"), [("squeezenet1_1", 18), ("mobilenetv1_025", 28)])
def test_layers_of_lightweight_networks_are_those_of_their_papers(name, layers):
    assert TABLE["depth"](on_meta(lambda: zoo.create_model(name)), side=64) == layers


def test_the_longest_way_counts_and_gates_do_not():
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.long = nn.Sequential(*(nn.Conv2d(3, 3, 1) for _ in range(3)))
            self.short = nn.Conv2d(3, 3, 1)
            self.gate = nn.Sequential(*(nn.Conv2d(3, 3, 1) for _ in range(5)))

        def forward(self, x):
            y = torch.cat((self.short(x), self.long(x)), 1)[:, 3:] + self.short(x)
            return y * self.gate(y.mean((2, 3), keepdim=True)).sigmoid()

    assert TABLE["depth"](on_meta(Branches), side=8) == 3


@pytest.mark.parametrize("name", ["alexnet", "resnet50"])
def test_the_document_holds_what_the_script_prints(name):
    assert TABLE["row"](name) in (ROOT / "docs" / "table1.md").read_text().splitlines()
