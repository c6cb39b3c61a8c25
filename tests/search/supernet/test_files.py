import pytest
import torch

from search.supernet import Supernet, SupernetError, load_supernet, save_supernet
from zoo.weights import WeightsError, save_model


def test_a_supernet_survives_its_file(trained, small_space, digits, networks, tmp_path):
    supernet = trained[0]
    path = tmp_path / "supernet.safetensors"
    save_supernet(supernet, path)
    for file in (path, trained[1]):
        loaded = load_supernet(file, small_space)
        assert (loaded.num_classes, loaded.in_chans, loaded.seed) == (10, 1, 0)
        assert all(torch.equal(a, b) for a, b in zip(supernet.parameters(), loaded.parameters(), strict=True))
        assert all(weight.requires_grad for weight in loaded.parameters())
        assert loaded.score(networks[0], digits) == supernet.score(networks[0], digits)


def _refused(path, space, error):
    with pytest.raises(error) as caught:
        load_supernet(path, space)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_of_another_space_is_refused_in_one_line(trained, small_space, tiny):
    assert "another space than 'tiny'" in _refused(trained[1], tiny, SupernetError)
    wider = small_space.model_copy(update={"head_widths": (32, 48)})
    assert "older declaration" in _refused(trained[1], wider, SupernetError)


def test_what_holds_no_supernet_is_refused_in_one_line(small_space, tiny, networks, tmp_path):
    path = tmp_path / "network.safetensors"
    assert "no such file" in _refused(path, small_space, WeightsError)
    save_model(networks[0].build(10, 1), path)
    assert "holds no supernet" in _refused(path, small_space, SupernetError)
    path.write_bytes(b"\x00" * 100)
    _refused(path, small_space, WeightsError)


def test_a_file_with_a_weight_missing_is_refused(small_space, tmp_path):
    path, supernet = tmp_path / "supernet.safetensors", Supernet(small_space, 10, 1)
    del supernet.weights[next(iter(supernet.weights))]
    save_supernet(supernet, path)
    assert "no weights for" in _refused(path, small_space, WeightsError)
