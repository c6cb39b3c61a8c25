import pytest
import torch

import zoo


def test_weights_of_a_file_of_ours_start_another_training(tmp_path):
    trained = zoo.create_model("mobilenetv1_025", seed=1).eval()
    zoo.save_model(trained, tmp_path / "net.safetensors")
    images = torch.randn(1, 3, 64, 64)
    again = zoo.create_model("mobilenetv1_025", pretrained=tmp_path / "net.safetensors").eval()
    assert torch.equal(again(images), trained(images))
    other = zoo.create_model("mobilenetv1_025", 4, 1, pretrained=str(tmp_path / "net.safetensors"), seed=0).eval()
    assert other(images[:, :1]).shape == (1, 4)
    assert torch.equal(other.blocks[5].dw.conv.weight, trained.blocks[5].dw.conv.weight)


def test_a_file_of_another_network_is_refused(tmp_path):
    zoo.save_model(zoo.create_model("mobilenetv1_025"), tmp_path / "net.safetensors")
    with pytest.raises(zoo.WeightsError, match="holds another network than mobilenetv1_050"):
        zoo.create_model("mobilenetv1_050", pretrained=tmp_path / "net.safetensors")


@pytest.mark.parametrize(
    ("name", "source", "message"),
    [
        ("mobilenetv1_025", True, "no package holds weights of mobilenetv1_025"),
        ("shufflenet_v1_g3_100", "timm", "timm has no network whose weights fit shufflenet_v1_g3_100"),
        ("shufflenet_v1_g3_100", "torchvision", "torchvision has no network"),
        ("mobilenetv1_025", "nowhere.safetensors", "no such file"),
    ],
)
def test_where_there_are_no_weights_one_line_says_so(name, source, message):
    with pytest.raises(zoo.WeightsError) as caught:
        zoo.create_model(name, pretrained=source)
    assert message in str(caught.value) and "\n" not in str(caught.value)
