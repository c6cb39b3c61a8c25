import io
import math
import os
import random
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy.stats import spearmanr
from torch import nn

import zoo
from search import SPACES, SearchError
from search.scores.training_free import PROXIES, combine, training_batch, training_free_scores
from zoo import UnknownNameError
from zoo.data import ImageSet, Splits
from zoo.models import MODELS, ModelEntry

FEW = ["mobilenetv3_small_050", "shufflenet_v2_x0_5", "squeezenet1_1", "ghostnet_050", "micronet_m0", "starnet_s050"]


def random_data(resolution: int) -> Splits:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (24, 3, resolution, resolution), generator=generator, dtype=torch.uint8)
    part = ImageSet(images, torch.arange(24) % 4)
    return Splits("random", part, part, part, ("a", "b", "c", "d"), flip=False)


def families() -> list[str]:
    """Return the smallest network of each family."""
    found: dict[str, str] = {}
    for name in sorted(zoo.list_models(), key=lambda name: -zoo.model_info(name).macs):
        entry = MODELS.get(name)
        if isinstance(entry, ModelEntry):
            found[entry.family] = name
    return sorted(found.values())


def condition(network: nn.Module) -> dict[str, object]:
    """Return all that a score might spoil."""
    hooks = [name for name in vars(network) if name.endswith("_hooks")]
    return {
        "state": {key: value.clone() for key, value in network.state_dict().items()},
        "modes": [layer.training for layer in network.modules()],
        "learns": [parameter.requires_grad for parameter in network.parameters()],
        "gradients": [parameter.grad for parameter in network.parameters()],
        "hooks": [len(getattr(layer, name)) for layer in network.modules() for name in hooks],
        "random": torch.get_rng_state(),
        "gradients are on": torch.is_grad_enabled(),
    }


def check(name: str, resolution: int) -> None:
    data = random_data(resolution)
    network = zoo.get_spec(name).at_resolution(resolution).build(4, 3, seed=0)
    network.blocks[0].requires_grad_(False)
    network.blocks[-1].eval()
    before = condition(network)
    scores = training_free_scores(network, data, names=PROXIES.names(), batch_size=8)
    after = condition(network)
    torch.testing.assert_close(after.pop("state"), before.pop("state"), rtol=0, atol=0)
    assert torch.equal(after.pop("random"), before.pop("random"))
    assert after == before
    assert not scores.failures
    assert all(map(math.isfinite, scores.values()))


@pytest.mark.parametrize("name", FEW)
def test_every_score_is_had_and_the_network_left_as_it_was(name):
    check(name, 32)


@pytest.mark.slow
@pytest.mark.parametrize("name", families())
def test_every_family_has_every_score(name):
    check(name, 64)


def test_equal_arguments_give_equal_scores(digits, small_space):
    spec = small_space.sample(random.Random(0))
    first, second = (training_free_scores(spec, digits, names=PROXIES.names(), batch_size=16) for _ in range(2))
    assert first == second
    network = spec.build(digits.num_classes, digits.in_chans, seed=0)
    assert training_free_scores(network, digits, names=PROXIES.names(), batch_size=16) == first


def test_all_networks_see_the_same_images(digits):
    small, again, other = (training_batch(digits, 16, 32, seed) for seed in (0, 0, 1))
    large = training_batch(digits, 24, 32, 0)
    assert torch.equal(small[0], again[0]) and torch.equal(small[1], large[1])
    assert not torch.equal(small[1], other[1])
    assert large[0].shape == (32, 1, 24, 24)
    assert abs(float(small[0].mean())) < 0.1 and abs(float(small[0].std()) - 1) < 0.1


def test_a_score_that_fails_is_nan_with_a_reason(digits):
    network = nn.Sequential(nn.Flatten(), nn.Linear(256, 10))
    scores = training_free_scores(network, digits, names=["nwot", "zen", "snip"], batch_size=8)
    assert math.isnan(scores["nwot"]) and math.isnan(scores["zen"]) and math.isfinite(scores["snip"])
    assert scores.failures["nwot"] == "EdgezooError: the network has no activation"
    assert set(scores.failures) == {"nwot", "zen"} and "\n" not in scores.failures["zen"]


def test_bad_arguments_are_told_in_one_line(digits):
    network = nn.Sequential(nn.Flatten(), nn.Linear(256, 10))
    with pytest.raises(UnknownNameError, match="unknown training-free score 'nwott'; did you mean 'nwot'"):
        training_free_scores(network, digits, names=["nwott"])
    with pytest.raises(SearchError, match="batch_size must be at least 2, got 1"):
        training_free_scores(network, digits, batch_size=1)


@pytest.fixture(scope="session")
def cifar() -> Splits:
    folder = os.environ.get("EDGEZOO_DATA")
    archive = Path(folder or "") / "cifar10-train.zip"
    if not folder or not archive.is_file():
        pytest.skip("needs cifar10-train.zip in the folder that EDGEZOO_DATA names")
    images, labels, taken = [], [], {}
    with zipfile.ZipFile(archive) as file:
        for name in file.namelist():
            label = Path(name).parent.name
            taken[label] = taken.get(label, 0) + 1
            if taken[label] <= 20:
                images.append(np.asarray(Image.open(io.BytesIO(file.read(name))).convert("RGB")))
                labels.append(label)
    classes = tuple(sorted(taken))
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()
    part = ImageSet(pixels, torch.tensor([classes.index(label) for label in labels]))
    return Splits("cifar", part, part, part, classes, flip=True)


@pytest.mark.slow
def test_scores_rank_trained_cells(cifar):
    if "nasbench201" not in SPACES:
        pytest.skip("needs the space nasbench201")
    published = pd.read_csv(Path(os.environ["EDGEZOO_DATA"]) / "nasbench201_cifar10_724.csv").sample(40, random_state=0)
    space = SPACES.get("nasbench201")
    names = ["nwot", "synflow", "az_expressivity", "az_progressivity", "az_trainability", "params", "macs"]
    specs = [space.decode(space.from_arch_str(cell)) for cell in published.arch_str]
    scores = pd.DataFrame([training_free_scores(spec, cifar, names=names, batch_size=32) for spec in specs])
    for name in ("nwot", "synflow"):
        assert spearmanr(scores[name], published.val_accuracy)[0] >= 0.6
    assert spearmanr(combine(scores), published.val_accuracy)[0] >= 0.75
    # params are not a matter of chance: NASLib counts them in millions
    assert np.allclose(scores.params / 1e6, published.params_m, rtol=1e-3)
