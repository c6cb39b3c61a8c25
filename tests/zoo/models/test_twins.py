"""Networks that name a twin in timm or torchvision: its weights fit, tensor for tensor in order."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

import zoo
from zoo.models import MODELS
from zoo.timm_import import timm, torchvision

_TWINS = [
    pytest.param(name, library, twin, id=f"{name}-{library}")
    for name in zoo.list_models()
    for library in ("timm", "torchvision")
    if (twin := getattr(MODELS.get(name), library, ""))
]
_CREATE: dict[str, Callable[[str], nn.Module]] = {
    "timm": timm.create_model,
    "torchvision": torchvision.models.get_model,
}


@pytest.mark.parametrize(("name", "library", "twin"), _TWINS)
def test_the_tensors_of_a_twin_have_our_shapes_in_our_order(name, library, twin):
    with torch.device("meta"):
        ours, theirs = zoo.get_spec(name).build(), _CREATE[library](twin)
    assert [v.shape for v in ours.state_dict().values()] == [v.shape for v in theirs.state_dict().values()]


@pytest.mark.parametrize(("name", "twin"), [p.values[::2] for p in _TWINS if p.values[1] == "timm"])
def test_images_are_normalised_as_timms_weights_want_it(name, twin):
    config = timm.get_pretrained_cfg(twin)
    assert (MODELS.get(name).mean, MODELS.get(name).std) == (config.mean, config.std)
