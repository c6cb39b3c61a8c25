"""What every step of a recipe has in common."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from latency_tables.runtimes import InputShape
from model_compression.distillation.teacher import Teacher
from model_compression.recipe.stopwatch import Stopwatch
from model_compression.recipe.structure import Compressed
from zoo.data import Splits
from zoo.registry import Registry
from zoo.training import Epoch, TrainConfig

Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]


@dataclass(frozen=True)
class Job:
    """Where and for what a recipe is carried out.

    Attributes:
        dtype: number format that ships.
        config: of trainings that give no epochs of their own.
        teacher: a name, trained first, or one that is.
        folder: for what is kept, and for model files.
        on_progress: called with what a step does just now ("widths measured"), how much of it is done, and of how much.
    """

    data: Splits
    runtime: str
    dtype: str
    config: TrainConfig
    teacher: str | Teacher
    folder: Path
    stopwatch: Stopwatch
    on_epoch: Callable[[Epoch], None] | None = None
    on_progress: Callable[[str, int, int], None] | None = None

    def shape(self, state: Compressed) -> InputShape:
        """Return the shape of one image as the network sees it."""
        return (1, self.data.in_chans, state.spec.resolution, state.spec.resolution)

    def note(self, what: str) -> Callable[[int, int], None]:
        """Return what takes (done, all) of `what` and tells those who watch."""

        def tell(done: int, total: int) -> None:
            if self.on_progress:
                self.on_progress(what, done, total)

        return tell

    def epochs(self, count: int, whose: str = "") -> Callable[[Epoch], None]:
        """Return what takes each of `count` epochs of a training and tells those who watch."""

        def tell(epoch: Epoch) -> None:
            if self.on_epoch:
                self.on_epoch(epoch)
            self.note(f"{whose}epochs, loss {epoch.loss:.3f}")(epoch.number, count)

        return tell


class Step(BaseModel):
    """One action and its gate. A new kind is one file in `recipe/steps/` with `@STEPS.register(name)`.

    Attributes:
        max_drop: share of held-out images, 0..1, that may be lost at most; negative where some must be won.
        max_ratio: of the latency after to that before; None where it is not measured.
        tries: how often the step is carried out, softened each time, before it is rolled back.
        required: whether the recipe fails where the step cannot stay.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: str
    max_drop: Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)] = 0.01
    max_ratio: Annotated[float, Field(gt=0, le=10)] | None = 1.0
    tries: Annotated[int, Field(ge=1, le=10)] = 3
    required: bool = False

    def apply(self, before: Compressed, job: Job) -> Compressed:
        """Return what the step makes of `before`, which stays as it is; raises an EdgezooError where it cannot."""
        raise NotImplementedError

    def softened(self) -> Self | None:
        """Return the same step asking for less, None where there is no less."""
        return None


STEPS: Registry[type[Step]] = Registry("step", "model_compression.recipe.steps")
