"""Layers by actions: what each action on one layer alone damages, and what it saves on the device."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from latency_tables import Device
from model_compression.errors import ArtifactError
from zoo.files import write_atomic
from zoo.spec import one_line

SENSITIVITY_FILE = "sensitivity.json"
Kind = Literal["int8", "weights", "activations", "prune", "rank"]


class Action(BaseModel):
    """One way to compress a layer.

    Attributes:
        kind: weights and activations as they ship in int8; the weights or the activations alone; channels taken out of
            the group that the layer's outputs belong to; the layer in two or three of a lower rank.
        level: bits; the share of the channels that goes; the share of the full rank that stays.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    level: float

    @property
    def label(self) -> str:
        """What it is called at the head of a column."""
        if self.kind in ("prune", "rank"):
            return f"{self.kind} {self.level:.0%}"
        return self.kind if self.kind == "int8" else f"{self.kind} {self.level:g} bit"


ACTIONS = (
    Action(kind="int8", level=8),
    Action(kind="weights", level=8),
    Action(kind="weights", level=4),
    Action(kind="activations", level=8),
    Action(kind="prune", level=0.5),
    Action(kind="rank", level=0.5),
    Action(kind="prune", level=0.25),
    Action(kind="rank", level=0.25),
)


class Effect(BaseModel):
    """What one action on one layer does, all else as it was.

    Attributes:
        divergence: mean KL(scores before || scores after) of the held-out images, in nats.
        accuracy_drop: share of those images, -1..1, that are classified rightly before only.
        ms_saved: of one image; negative where it gets slower, None where no runtime computes so.
        others: layers that lose channels with it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    layer: str
    action: Action
    divergence: float
    accuracy_drop: float
    ms_saved: float | None = None
    others: tuple[str, ...] = ()


class LayerFacts(BaseModel):
    """A convolution or a linear layer: its name in the network, and what it is in words."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    what: str
    params: int


class SensitivityReport(BaseModel):
    """What is known of a network's layers.

    Attributes:
        made_of: digest of the network, the images and the device; a report of others is not gone on with.
        images: held out, that damages are told of; `accuracy` of the network on them, 0..1.
        ms: of the network as it was, on `device`.
        layers: in the network's order.
        effects: found so far, of `planned`.
        left_out: what could not be tried, and why.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    made_of: str
    network: str
    data: str
    images: int
    accuracy: float
    ms: float
    device: Device
    layers: tuple[LayerFacts, ...]
    planned: int
    effects: tuple[Effect, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether all that was planned has been measured."""
        return len(self.effects) >= self.planned

    @property
    def actions(self) -> tuple[Action, ...]:
        """Those that some layer can take, by kind and then the mildest first."""
        order = list(dict.fromkeys(action.kind for action in ACTIONS))
        mild = {"prune": 1, "rank": -1}
        found = dict.fromkeys(effect.action for effect in self.effects)
        return tuple(sorted(found, key=lambda a: (order.index(a.kind), a.level * mild.get(a.kind, -1))))

    def effect(self, layer: str, action: Action) -> Effect | None:
        """Return what `action` does to `layer`; None where it is not known, or cannot be done."""
        return next((e for e in self.effects if e.layer == layer and e.action == action), None)

    def bargains(self, *, max_drop: float = 0.01) -> list[Effect]:
        """Return for each layer the action that saves most time for at most `max_drop` (0..1), most first."""
        best: dict[str, Effect] = {}
        for effect in self.effects:
            saved, known = effect.ms_saved or 0.0, best.get(effect.layer)
            if saved > 0 and effect.accuracy_drop <= max_drop and saved > (known.ms_saved or 0.0 if known else 0.0):
                best[effect.layer] = effect
        return sorted(best.values(), key=lambda e: -(e.ms_saved or 0.0))

    def most_sensitive(self) -> list[str]:
        """Return the names of the layers, the one first that some action damages most."""
        worst = dict.fromkeys((layer.name for layer in self.layers), -math.inf)
        for effect in self.effects:
            worst[effect.layer] = max(worst[effect.layer], effect.divergence)
        return sorted(worst, key=lambda name: -worst[name])

    def save(self, path: Path) -> None:
        """Write the report as JSON; atomic."""
        write_atomic(path, self.model_dump_json(indent=1))


def load_sensitivity(path: Path) -> SensitivityReport:
    """Return the report in a file of `save`; raises ArtifactError."""
    try:
        return SensitivityReport.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ArtifactError(f"cannot read {path}: {error.strerror}") from None
    except ValidationError as error:
        raise ArtifactError(f"{path} is no sensitivity report: {one_line(error)}") from None


def with_effects(report: SensitivityReport, effects: Sequence[Effect]) -> SensitivityReport:
    """Return the report with more effects, in the order of layers and actions."""
    places = {layer.name: place for place, layer in enumerate(report.layers)}
    every = {(e.layer, e.action): e for e in (*report.effects, *effects)}
    order = sorted(every.values(), key=lambda e: (places[e.layer], ACTION_ORDER.get(e.action, len(ACTIONS))))
    return report.model_copy(update={"effects": tuple(order)})


ACTION_ORDER = {action: place for place, action in enumerate(ACTIONS)}
