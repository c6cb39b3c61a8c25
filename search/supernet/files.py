"""A supernet in one safetensors file, finished or halfway through its training. No class is unpickled."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from search.spaces import SearchSpace, load_space
from search.supernet.errors import SupernetError
from search.supernet.supernet import Supernet
from zoo.weights.files import load_state, read_tensors, save_tensors

_FORMAT = "edgezoo-supernet-1"
_MOMENTUM = "momentum."


def save_supernet(
    supernet: Supernet,
    path: str | Path,
    *,
    momentum: Mapping[str, Tensor] | None = None,
    training: str = "",
    losses: Sequence[float] = (),
) -> None:
    """Write a supernet; atomic.

    `training` says by what it is trained, `losses` those of the epochs done, and `momentum` is the optimizer's, by the
    names of the parameters, where the training is to go on.
    """
    tensors = supernet.state_dict() | {_MOMENTUM + name: tensor for name, tensor in (momentum or {}).items()}
    metadata = _identity(supernet) | {"training": training, "losses": json.dumps(list(losses))}
    save_tensors(Path(path), tensors, metadata)


def load_supernet(path: str | Path, space: SearchSpace | None = None) -> Supernet:
    """Return the supernet in a file of `save_supernet`, in evaluation mode; of `space`, where it is given.

    Raises SupernetError where the file is of another space, WeightsError where it is missing or damaged.
    """
    tensors, metadata = read_tensors(Path(path))
    try:
        classes, chans, seed = (int(metadata[name]) for name in ("num_classes", "in_chans", "seed"))
    except (KeyError, ValueError):
        raise SupernetError(f"{path} holds no supernet; search.supernet.train_supernet makes one") from None
    if not 0 <= seed < 2**63:
        raise SupernetError(f"{path} was made with seed {seed}, which is none")
    space = space or load_space(metadata.get("space", ""))
    _check_space(path, metadata, space)
    supernet = Supernet(space, classes, chans, seed)
    _load(supernet, tensors, path)
    return supernet.eval()


def restore(supernet: Supernet, path: Path, training: str) -> tuple[dict[str, Tensor], list[float]]:
    """Put what `path` holds into `supernet`; return the momentum by parameter and the losses of the epochs done.

    The parameters are new objects then. Nothing is done where there is no file. Raises SupernetError where the file is
    of another space or training.
    """
    if not path.exists():
        return {}, []
    tensors, metadata = read_tensors(path)
    _check_space(path, metadata, supernet.space)
    expected = _identity(supernet) | {"training": training}
    if any(metadata.get(name) != value for name, value in expected.items()):
        raise SupernetError(
            f"{path} holds a supernet of another training ({metadata.get('training')}); take another file"
        )
    try:
        losses = [float(loss) for loss in json.loads(metadata["losses"])]
    except (KeyError, TypeError, ValueError):
        raise SupernetError(f"{path} does not say which epochs are done; take another file") from None
    _load(supernet, tensors, path)
    return {n.removeprefix(_MOMENTUM): t for n, t in tensors.items() if n.startswith(_MOMENTUM)}, losses


def _load(supernet: Supernet, tensors: Mapping[str, Tensor], path: str | Path) -> None:
    load_state(supernet, {n: t for n, t in tensors.items() if not n.startswith(_MOMENTUM)}, str(path))


def _identity(supernet: Supernet) -> dict[str, str]:
    return {
        "format": _FORMAT,
        "space": supernet.space.model_dump_json(),
        "num_classes": str(supernet.num_classes),
        "in_chans": str(supernet.in_chans),
        "seed": str(supernet.seed),
    }


def _check_space(path: str | Path, metadata: Mapping[str, str], space: SearchSpace) -> None:
    if metadata.get("format") != _FORMAT:
        raise SupernetError(f"{path} holds no supernet; search.supernet.train_supernet makes one")
    if metadata.get("space") != space.model_dump_json():
        raise SupernetError(
            f"{path} holds the supernet of another space than {space.name!r}, or of an older declaration of it; "
            "train one for this space"
        )
