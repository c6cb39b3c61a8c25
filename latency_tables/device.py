"""The machine as a runtime sees it: what a latency is only true for."""

import os
import platform
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from latency_tables.runtimes import get_runtime


class Device(BaseModel):
    """Fingerprint of a machine, a runtime and its settings.

    Attributes:
        cores: that this process may use.
        threads: that the runtime uses for one image.
        governor: of the processor's clock, "unknown" where the system does not tell.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpu: str
    cores: int
    memory_gb: int
    system: str
    governor: str
    runtime: str
    runtime_version: str
    dtype: str
    threads: int
    settings: dict[str, str]

    def differences(self, other: "Device") -> list[str]:
        """Return the fields in which two devices differ, as `field: mine, theirs`."""
        mine, theirs = self.model_dump(), other.model_dump()
        return [f"{name}: {mine[name]}, {theirs[name]}" for name in mine if mine[name] != theirs[name]]


def this_device(runtime: str, dtype: str, threads: int) -> Device:
    """Return the fingerprint of this machine for `runtime`; raises RuntimeUnavailableError."""
    backend = get_runtime(runtime, dtype)
    return Device(
        cpu=_cpu_name(),
        cores=available_cores(),
        memory_gb=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        system=f"{platform.system()} {platform.machine()}",
        governor=_governor(),
        runtime=runtime,
        runtime_version=backend.version() or "",
        dtype=dtype,
        threads=threads,
        settings=backend.settings(),
    )


def available_cores() -> int:
    """Return the number of cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu_name() -> str:
    try:
        info = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    fields = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
    values = {key.strip(): value.strip() for key, value in fields.items()}
    name = values.get("model name") or values.get("Model") or platform.machine()
    # a hypervisor may hide the model's name: family and model still tell the generation
    if "cpu family" in values:
        name += f" (family {values['cpu family']} model {values.get('model', '?')})"
    return name


def _governor() -> str:
    try:
        return Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").read_text().strip()
    except OSError:
        return "unknown"
