import json

import pytest
import torch
from safetensors.torch import load_file, save_file

import zoo
from zoo.weights.files import read_tensors


@pytest.fixture
def saved(tmp_path):
    network = zoo.create_model("shufflenet_v2_x0_5", num_classes=3, in_chans=1, seed=2).eval()
    path = tmp_path / "net.safetensors"
    zoo.save_model(network, path, {"data": "digits"})
    return network, path


def test_the_file_alone_gives_the_network_back(saved):
    network, path = saved
    again = zoo.load_model(path)
    images = torch.randn(2, 1, 64, 64)
    torch.testing.assert_close(again(images), network(images))
    assert (again.num_classes, again.in_chans, again.spec) == (3, 1, network.spec)
    assert not again.training
    again(images).sum().backward()  # it can be trained on


def test_the_metadata_is_plain_json_and_ours_beside_it(saved):
    _, metadata = read_tensors(saved[1])
    assert zoo.ArchSpec.from_json(metadata["spec"]) == saved[0].spec
    assert metadata["data"] == "digits"


def test_a_deployed_network_keeps_its_form(saved, tmp_path):
    shipped = zoo.deploy(saved[0])
    zoo.save_model(shipped, tmp_path / "shipped.safetensors")
    assert zoo.load_model(tmp_path / "shipped.safetensors").spec == shipped.spec


def _rewrite(path, metadata=None, drop=None, **changes):
    tensors, found = load_file(path), read_tensors(path)[1]
    tensors.pop(drop, None)
    save_file({**tensors, **changes}, path, metadata={**found, **(metadata or {})})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: p.write_bytes(p.read_bytes()[:1000]), "cannot read weights"),
        (lambda p: p.write_bytes(b"\x80\x04}."), "cannot read weights"),  # a pickle
        (lambda p: p.unlink(), "no such file"),
        (lambda p: save_file({"x": torch.zeros(1)}, p), "holds no network of edgezoo"),
        (lambda p: _rewrite(p, {"spec": '{"resolution": 32, "blocks": []}'}), "blocks"),
        (lambda p: _rewrite(p, {"spec": json.dumps([])}), "net.safetensors"),
        (lambda p: _rewrite(p, {"num_classes": "many"}), "net.safetensors"),
        (lambda p: _rewrite(p, {"num_classes": "4"}), "head.classifier.weight is [3, 1024], the network wants [4"),
        (lambda p: _rewrite(p, drop="blocks.0.conv.weight"), "no weights for blocks.0.conv.weight"),
        (lambda p: _rewrite(p, extra=torch.zeros(1)), "extra is no part of the network"),
    ],
    ids=["cut", "pickle", "missing", "foreign", "empty", "list", "words", "classes", "lacking", "surplus"],
)
def test_a_damaged_file_is_refused_in_one_line(saved, damage, message):
    damage(saved[1])
    with pytest.raises(zoo.WeightsError) as caught:
        zoo.load_model(saved[1])
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_names_of_the_file_cannot_be_overwritten(saved, tmp_path):
    with pytest.raises(zoo.WeightsError, match="'spec' is a name that the file uses"):
        zoo.save_model(saved[0], tmp_path / "x.safetensors", {"spec": "mine"})


def test_only_networks_with_a_spec_are_saved(tmp_path):
    with pytest.raises(zoo.WeightsError, match="not Linear"):
        zoo.save_model(torch.nn.Linear(2, 2), tmp_path / "x.safetensors")
