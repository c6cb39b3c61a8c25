import pickle

import torch

import zoo
from model_compression.weights import load_weights, save_weights


def _network(seed):
    return zoo.get_spec("mobilenetv1_025").build(3, 1, seed=seed)


def test_weights_come_back_bit_for_bit(tmp_path):
    first, second = _network(0), _network(1)
    save_weights(first, tmp_path / "w.safetensors", {"a": "b"})
    assert load_weights(second, tmp_path / "w.safetensors", {"a": "b"})
    for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_weights_of_another_origin_are_left_alone(tmp_path):
    network = _network(0)
    save_weights(network, tmp_path / "w.safetensors", {"data": "digits"})
    assert not load_weights(network, tmp_path / "w.safetensors", {"data": "other"})
    assert not load_weights(network, tmp_path / "none.safetensors", {})


def test_nothing_is_unpickled(tmp_path):
    class Malicious:
        def __reduce__(self):
            return (open, (str(tmp_path / "owned"), "w"))

    path = tmp_path / "w.safetensors"
    path.write_bytes(pickle.dumps(Malicious()))
    assert not load_weights(_network(0), path, {})
    assert not (tmp_path / "owned").exists()
