import pytest
import torch

import zoo
import zoo.timm_bridge
from zoo.timm_import import timm


def test_every_network_is_in_timm_under_the_prefix():
    assert sorted(timm.list_models("edgezoo_*")) == ["edgezoo_" + name for name in zoo.list_models()]
    assert timm.is_model("edgezoo_shufflenet_v1_g3_100")
    assert timm.is_model("mobilenetv2_100"), "timm keeps its own"


def test_timm_creates_our_network_with_its_arguments():
    network = timm.create_model("edgezoo_shufflenet_v1_g3_100", num_classes=5, in_chans=1, drop_rate=0.2)
    assert isinstance(network, zoo.Network) and network.head.dropout.p == 0.2
    assert network.eval()(torch.randn(2, 1, 64, 64)).shape == (2, 5)


def test_timms_features_only_gives_our_maps():
    network = timm.create_model("edgezoo_mobilenetv2_035", features_only=True, out_indices=(2, 4)).eval()
    maps = network(torch.randn(1, 3, 64, 64))
    assert [m.shape[2] for m in maps] == [8, 2]
    assert network.feature_info.channels() == [m.shape[1] for m in maps]


def test_timms_data_configuration_is_that_of_the_network():
    network = timm.create_model("edgezoo_mobilenetv1_100")
    config = timm.data.resolve_model_data_config(network)
    assert config["input_size"] == (3, 224, 224) and config["mean"] == (0.5, 0.5, 0.5)


def test_a_file_of_ours_is_pretrained_for_timm(tmp_path):
    ours = zoo.create_model("mobilenetv1_025", seed=4).eval()
    zoo.save_model(ours, tmp_path / "net.safetensors")
    overlay = {"file": str(tmp_path / "net.safetensors")}
    theirs = timm.create_model("edgezoo_mobilenetv1_025", pretrained=True, pretrained_cfg_overlay=overlay).eval()
    images = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(theirs(images), ours(images))


def test_an_unknown_argument_is_refused_with_the_nearest():
    with pytest.raises(zoo.UnknownNameError, match="did you mean 'drop_path_rate'"):
        timm.create_model("edgezoo_mobilenetv1_025", drop_path=0.1)
