"""What a run was started with; a run folder belongs to one set of settings."""

import contextlib
import fcntl
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model_compression.distillation.teacher import DEFAULT_TEACHER
from zoo import EdgezooError
from zoo.files import read_small, write_atomic

DEFAULT_BASELINES = ("mobilenetv1_025", "shufflenet_v2_x0_5")


class RunError(EdgezooError):
    """A run that cannot start or go on."""


class RunSettings(BaseModel):
    """Everything that decides what a run finds.

    Attributes:
        image_size: pixels at which images are stored; networks see them at their own resolution.
        trials: candidates to train for `epochs` each.
        recipe: of the winner and the baselines (`model_compression.Recipe`), `distil+DTYPE` where empty.
        final_epochs: of the winner and the baselines; the teacher takes half of them.
        table_networks: of the space, measured for the latency table, for at most `table_seconds` each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str
    runtime: str
    dtype: str
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    budget_ms: Annotated[float, Field(gt=0)]
    space: str = "tiny"
    image_size: Annotated[int, Field(ge=8, le=512)] = 32
    trials: Annotated[int, Field(ge=1, le=100_000)] = 24
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 5
    final_epochs: Annotated[int, Field(ge=1, le=10_000)] = 30
    recipe: str = ""
    teacher: str = DEFAULT_TEACHER
    baselines: tuple[str, ...] = DEFAULT_BASELINES
    table_networks: Annotated[int, Field(ge=12, le=10_000)] = 60
    table_seconds: Annotated[float, Field(gt=0, le=600)] = 1.0
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0


def claim_folder(folder: Path, settings: RunSettings) -> None:
    """Write `settings` into a new run folder; raise RunError where it holds a run with others, naming them."""
    path = folder / "settings.json"
    if path.exists():
        try:
            known = RunSettings.model_validate_json(read_small(path))
        except (ValidationError, OSError):
            raise RunError(f"{path} cannot be read as the settings of a run; take another --out") from None
        mine, theirs = settings.model_dump(mode="json"), known.model_dump(mode="json")
        different = [f"{k} {json.dumps(theirs[k])} (now {json.dumps(mine[k])})" for k in mine if mine[k] != theirs[k]]
        if different:
            raise RunError(f"{folder} holds a run with other settings: {', '.join(different)}; take another --out")
        return
    write_atomic(path, settings.model_dump_json(indent=1))


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder for this process; raise RunError where another one holds it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RunError(f"{folder} is in use by another edgezoo; wait or take another --out") from None
            yield
    except OSError as error:
        raise RunError(f"cannot use {folder}: {error.strerror or error}") from None
