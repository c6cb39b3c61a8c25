"""Facts of the machine that this process runs on; the standard library only, for it also runs on other devices."""

import os
import platform
from pathlib import Path
from typing import NamedTuple

_CPU_INFO = Path("/proc/cpuinfo")


def machine_facts() -> dict[str, str | int]:
    """Return processor, cores that this process may use, memory in GiB, system and clock governor."""
    return {
        "cpu": _cpu_name(),
        "cores": available_cores(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "governor": governor(),
    }


def available_cores() -> int:
    """Return the number of cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def affinity(threads: int) -> str:
    """Return where a measurement with so many threads runs: a single one is kept on one core."""
    return "one core" if threads == 1 and hasattr(os, "sched_setaffinity") else "any core"


def has_vnni() -> bool:
    """Return whether the processor multiplies bytes into 32-bit sums (x86 VNNI, Arm dot product)."""
    return bool({"avx512_vnni", "avx_vnni", "asimddp"} & cpu_flags())


def cpu_flags() -> set[str]:
    """Return what the processor says it can do, in Linux' words; nothing where the system does not tell."""
    fields = _cpu_info()
    return set((fields.get("flags") or fields.get("Features") or "").split())


def governor() -> str:
    """Return the governor of the processor's clock, "unknown" where the system does not tell."""
    try:
        return Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").read_text().strip()
    except OSError:
        return "unknown"


class MachineState(NamedTuple):
    """What may disturb a measurement.

    Attributes:
        load: processes that wanted to run, averaged over the last minute.
        throttled: how often the processor slowed itself down for its temperature since it started; 0 if unknown.
    """

    load: float
    governor: str
    throttled: int


def machine_state() -> MachineState:
    """Return the machine's state just now."""
    throttled = 0
    for path in Path("/sys/devices/system/cpu").glob("cpu[0-9]*/thermal_throttle/core_throttle_count"):
        try:
            throttled += int(path.read_text())
        except (OSError, ValueError):
            continue
    return MachineState(os.getloadavg()[0], governor(), throttled)


def _cpu_info() -> dict[str, str]:
    try:
        lines = _CPU_INFO.read_text().splitlines()
    except OSError:
        return {}
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _cpu_name() -> str:
    fields = _cpu_info()
    name = fields.get("model name") or fields.get("Model") or platform.processor() or platform.machine()
    # a hypervisor may hide the model's name: family and model still tell the generation
    if "cpu family" in fields:
        name += f" (family {fields['cpu family']} model {fields.get('model', '?')})"
    elif "CPU part" in fields:
        name += f" (implementer {fields.get('CPU implementer', '?')} part {fields['CPU part']})"
    return name
