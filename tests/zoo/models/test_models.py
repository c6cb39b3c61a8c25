import csv
from pathlib import Path

import pytest
import torch

import zoo
from zoo.timm_import import timm, torchvision

_ROWS = list(csv.DictReader((Path(__file__).parent / "reference.csv").open()))


@pytest.mark.parametrize("row", _ROWS, ids=[row["name"] for row in _ROWS])
def test_parameters_and_macs_are_the_published_ones(row):
    info = zoo.model_info(row["name"])
    assert round(info.params / 1e6, 3) == float(row["params_m"])
    assert info.macs / 1e6 == pytest.approx(float(row["macs_m"]), abs=0.1)
    assert info.resolution == int(row["resolution"])


def test_every_network_has_its_published_figures():
    assert zoo.list_models() == sorted(row["name"] for row in _ROWS)


@pytest.mark.parametrize("name", zoo.list_models())
def test_every_network_survives_json(name):
    spec = zoo.get_spec(name)
    assert zoo.ArchSpec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize("name", ["mobilenetv1_100", "mobilenetv2_100", "regnetx_002"])
@pytest.mark.parametrize("resolution", [64, 96])
def test_with_timms_weights_the_scores_are_timms(name, resolution, assert_same_function):
    assert_same_function(timm.create_model(name), zoo.create_model(name), torch.randn(4, 3, resolution, resolution))


def test_with_torchvisions_weights_squeezenet_is_torchvisions(assert_same_function):
    reference = torchvision.models.squeezenet1_1()
    assert_same_function(reference, zoo.create_model("squeezenet1_1"), torch.randn(4, 3, 96, 96))


@pytest.mark.parametrize("name", zoo.list_models("*_0*") + ["shufflenet_v1_g3_100", "squeezenet1_1", "regnetx_002"])
def test_networks_run_on_grey_images_with_other_classes_one_as_many(name):
    network = zoo.create_model(name, num_classes=7, in_chans=1, seed=0).eval()
    images = torch.randn(3, 1, 64, 64)
    with torch.no_grad():
        scores = network(images)
        assert scores.shape == (3, 7)
        torch.testing.assert_close(network(images[1:2]), scores[1:2], atol=1e-5, rtol=1e-4)
