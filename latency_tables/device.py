"""The machine as a runtime sees it: what a latency is only true for."""

from pydantic import BaseModel, ConfigDict

from latency_tables.machine import affinity, machine_facts
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
        **machine_facts(),
        runtime=runtime,
        runtime_version=backend.version() or "",
        dtype=dtype,
        threads=threads,
        settings={**backend.settings(dtype), "affinity": affinity(threads)},
    )
