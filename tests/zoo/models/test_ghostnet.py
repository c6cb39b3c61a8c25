import onnxruntime
import pytest
import torch

import zoo
from latency_tables.onnx_files import export_onnx
from zoo.timm_import import timm


@pytest.mark.parametrize(("name", "side"), [("ghostnet_050", 96), ("ghostnetv2_100", 96), ("ghostnetv2_100", 224)])
def test_with_timms_weights_the_scores_are_timms(name, side, assert_same_function):
    assert_same_function(timm.create_model(name), zoo.create_model(name), torch.randn(2, 3, side, side))


def test_the_second_version_has_attention_in_all_blocks_but_the_first_two():
    gated = [
        dict(b.options).get("attention", False) for b in zoo.get_spec("ghostnetv2_130").blocks if b.kind == "ghost"
    ]
    assert gated == [False] * 2 + [True] * 14


def test_the_second_version_runs_where_its_last_maps_are_single_pixels():
    network = zoo.create_model("ghostnetv2_100", num_classes=3, seed=0).eval()
    assert network(torch.randn(1, 3, 32, 32)).shape == (1, 3)


def test_the_second_version_is_exported_where_its_last_maps_are_single_pixels(tmp_path):
    network = zoo.create_model("ghostnetv2_100", num_classes=3, seed=0).eval()
    export_onnx(network, (1, 3, 32, 32), tmp_path / "net.onnx")
    images = torch.randn(1, 3, 32, 32)
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    (scores,) = session.run(None, {"input": images.numpy()})
    torch.testing.assert_close(torch.from_numpy(scores), network(images).detach(), atol=1e-4, rtol=1e-3)
