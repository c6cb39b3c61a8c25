"""Where and with what something was measured."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from edgezoo.report.html import columns, facts

if TYPE_CHECKING:
    from edgezoo.settings import RunSettings
    from latency_tables import Device
    from model_compression import ModelCard

_MOST_CLASSES = 40


def device_facts(device: Device) -> list[tuple[str, str]]:
    """Return what identifies a device, in words."""
    return [
        ("processor", device.cpu),
        ("cores", f"{device.cores} usable, {device.threads} used for one image"),
        ("memory", f"{device.memory_gb} GiB"),
        ("system", device.system),
        ("clock governor", device.governor),
        ("runtime", f"{device.runtime} {device.runtime_version}"),
        ("number format", device.dtype),
        *device.settings.items(),
    ]


def environment(card: ModelCard, settings: RunSettings) -> str:
    """Return machine, versions, data and settings of a run as HTML."""
    made = [
        ("made", card.created),
        ("file", f"sha256 {card.sha256}"),
        ("samples rejected", f"{card.samples_rejected} as disturbed by other load"),
        *(("seed of " + name, str(seed)) for name, seed in card.seeds.items()),
        *((name, version) for name, version in card.versions.items()),
    ]
    data = [
        ("images", card.data),
        ("read at", f"{card.image_size or card.input.resolution} px"),
        ("classes", f"{len(card.classes)}: {_some(card.classes)}"),
        *((name.replace("_", " "), str(value)) for name, value in _told(settings)),
    ]
    return columns(
        ("Machine", facts(device_facts(card.device))), ("File and versions", facts(made)), ("Settings", facts(data))
    )


def _told(settings: RunSettings) -> Iterable[tuple[str, object]]:
    for name, value in settings.model_dump().items():
        if name not in ("data", "image_size") and value != "":
            yield name, ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value


def _some(names: tuple[str, ...]) -> str:
    more = len(names) - _MOST_CLASSES
    return ", ".join(names[:_MOST_CLASSES]) + (f" and {more} more" if more > 0 else "")
