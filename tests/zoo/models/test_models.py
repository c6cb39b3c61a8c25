import csv
from pathlib import Path

import pytest
import torch

import zoo
from zoo.models import MODELS, ModelEntry

# published or measured elsewhere; `comment` says why where it is neither
_ROWS = list(csv.DictReader((Path(__file__).parent / "reference.csv").open()))
_WITH_SPEC = [name for name in zoo.list_models() if isinstance(MODELS.get(name), ModelEntry)]


@pytest.mark.parametrize("row", _ROWS, ids=[row["name"] for row in _ROWS])
def test_parameters_and_macs_are_the_published_ones(row):
    info = zoo.model_info(row["name"])
    macs, resolution = info.macs, int(row["resolution"])
    if resolution != info.resolution:  # the figure is of another size than the authors'
        with torch.device("meta"):
            macs = zoo.complexity(zoo.create_model(row["name"]), (3, resolution, resolution)).macs
    assert round(info.params / 1e6, 3) == float(row["params_m"])
    assert macs / 1e6 == pytest.approx(float(row["macs_m"]), abs=0.1)


def test_every_network_has_its_reference_figures():
    assert zoo.list_models() == sorted(row["name"] for row in _ROWS)


def test_every_network_says_where_it_comes_from():
    for name in zoo.list_models():
        info = zoo.model_info(name)
        assert info.paper and 2012 <= info.year <= 2026, name
        assert (info.reported_top1 is None) == (info.top1_source == ""), name


@pytest.mark.parametrize("name", _WITH_SPEC)
def test_every_network_survives_json(name):
    spec = zoo.get_spec(name)
    assert zoo.ArchSpec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize("name", [n for n in _WITH_SPEC if "deployed" in zoo.get_spec(n).deployed().to_json()])
def test_a_form_that_is_only_shipped_is_smaller_than_the_one_that_is_trained(name):
    spec = zoo.get_spec(name)
    with torch.device("meta"):
        trained, shipped = (sum(p.numel() for p in s.build().parameters()) for s in (spec, spec.deployed()))
    assert shipped < trained
