"""What this machine can run, what disturbs measurements on it, and the commands that mend either."""

import platform
import re
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any

from latency_tables.machine import cpu_flags, has_vnni, machine_facts, machine_state
from latency_tables.runtimes import RUNTIMES

_PACKAGES = ("edgezoo", "torch", "torchvision", "timm", "onnx", "optuna", "ray", "numpy", "scikit-learn")
# what makes networks fast, in Linux' words for x86 and Arm
_INSTRUCTIONS = (
    "avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "avx512_fp16", "amx_int8", "amx_bf16",
    "asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve",
)  # fmt: skip
_EXTRA = re.compile(r"""^([\w.-]+).*\bextra == ["'](\w+)["']""")
_FOR_DEVELOPERS = ("dev", "all")


def examine() -> dict[str, Any]:
    """Return versions, the machine, its runtimes, the extras of this package, and advice in sentences."""
    facts, state, flags = machine_facts(), machine_state(), cpu_flags()
    machine = {
        **facts,
        "instructions": [name for name in _INSTRUCTIONS if name in flags],
        "int8_dot_products": has_vnni(),
        "load": round(state.load, 2),
        "throttled": state.throttled,
    }
    runtimes = {}
    for name in RUNTIMES:
        runtime = RUNTIMES.get(name)
        found = runtime.version()
        runtimes[name] = {"version": found, "dtypes": runtime.dtypes, "install": None if found else runtime.install}
    extras = {}
    for name, packages in _extras().items():
        extras[name] = {"install": None if all(map(_version, packages)) else f"pip install 'edgezoo[{name}]'"}
    return {
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in _PACKAGES},
        "machine": machine,
        "runtimes": runtimes,
        "extras": extras,
        "advice": _advice(machine),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _extras() -> dict[str, list[str]]:
    """Return the packages of each extra, as the installed metadata has them."""
    try:
        found = [match.groups() for text in requires("edgezoo") or () if (match := _EXTRA.match(text))]
    except PackageNotFoundError:  # run from a checkout that is not installed
        return {}
    extras: dict[str, list[str]] = {}
    for package, extra in found:
        if extra not in _FOR_DEVELOPERS and package != "edgezoo":
            extras.setdefault(extra, []).append(package)
    return extras


def _advice(machine: dict[str, Any]) -> list[str]:
    advice = []
    if not machine["int8_dot_products"]:
        advice.append("The processor has no int8 dot products (VNNI, dotprod): int8 may not be faster than fp32.")
    if machine["governor"] not in ("performance", "unknown"):
        advice.append(
            f"The clock governor is {machine['governor']}, which makes latencies vary: "
            "sudo cpupower frequency-set -g performance"
        )
    if machine["load"] > 0.5 * machine["cores"]:
        advice.append(f"The load is {machine['load']}: measurements will be disturbed; stop what runs beside them.")
    if machine["throttled"]:
        advice.append(
            f"The processor slowed itself down for its temperature {machine['throttled']} times since it started: "
            "let it cool before you measure."
        )
    return advice
