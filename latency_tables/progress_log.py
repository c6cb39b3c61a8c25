"""What a build of a table has measured so far, kept line by line so that a kill loses at most one line."""

import json
import math
from collections import defaultdict
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from latency_tables.bench import Paired
from latency_tables.device import Device
from latency_tables.errors import TableError
from latency_tables.observation import Profile
from zoo.files import write_atomic


class Plan(BaseModel):
    """What a half-finished build was started with; another plan does not continue it.

    Attributes:
        networks: digests of all specs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: Device
    space: str
    seed: int
    batch: int
    in_chans: int
    num_classes: int
    rounds: int
    networks: tuple[str, ...]


class ProgressLog:
    """Profiles, samples, failures and what is finished, by the digest of the network.

    A last line cut short by a kill is dropped.
    """

    def __init__(self, path: Path | None, plan: Plan) -> None:
        self._path = path
        self.profiles: dict[str, Profile | None] = {}
        self.samples: dict[str, list[Paired]] = defaultdict(list)
        self.failures: dict[str, str] = {}
        self.finished: set[str] = set()
        if path is None:
            return
        try:
            lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        except OSError as error:
            raise _unwritable(path, error) from None
        kept = self._read(lines, plan)
        write_atomic(path, "".join(line + "\n" for line in [plan.model_dump_json(), *kept]))

    def add_profile(self, network: str, profile: Profile | None) -> None:
        """Keep the profile of a network, the quicker of two; None where the runtime offers none."""
        self._keep(network, profile)
        self._append({"network": network, "profile": profile.model_dump() if profile else None})

    def add_samples(self, network: str, samples: list[Paired], finished: bool) -> None:
        """Keep the samples of one visit; `finished` if they were the last."""
        self.samples[network] += samples
        if finished:
            self.finished.add(network)
        self._append({"network": network, "samples": samples, "finished": finished})

    def add_failure(self, network: str, reason: str) -> None:
        """Keep why the runtime cannot run a network."""
        self.failures[network] = reason
        self._append({"network": network, "failure": reason})

    def _read(self, lines: list[str], plan: Plan) -> list[str]:
        kept: list[str] = []
        try:
            if not lines or Plan.model_validate_json(lines[0]) != plan:
                return kept
            for line in lines[1:]:
                self._take(json.loads(line))
                kept.append(line)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, ValidationError):
            pass
        return kept

    def _take(self, entry: dict[str, Any]) -> None:
        network = entry["network"]
        if "samples" in entry:
            samples, finished = [_paired(*sample) for sample in entry["samples"]], entry["finished"]
            self.samples[network] += samples
            if finished:
                self.finished.add(network)
        elif "failure" in entry:
            self.failures[network] = str(entry["failure"])
        else:
            profile = entry["profile"]
            self._keep(network, None if profile is None else Profile.model_validate(profile))

    def _keep(self, network: str, profile: Profile | None) -> None:
        known = self.profiles.get(network)
        if known is None or (profile and profile.ms < known.ms):
            self.profiles[network] = profile

    def _append(self, entry: dict[str, Any]) -> None:
        if self._path is None:
            return
        try:
            with self._path.open("a") as file:
                file.write(json.dumps(entry) + "\n")
        except OSError as error:
            raise _unwritable(self._path, error) from None


def _paired(ms: float, reference_ms: float, disturbed: bool) -> Paired:
    if not (0 < ms < math.inf and 0 < reference_ms < math.inf):
        raise ValueError("no times")
    return Paired(float(ms), float(reference_ms), bool(disturbed))


def _unwritable(path: Path, error: OSError) -> TableError:
    return TableError(f"cannot keep the progress of the build in {path}: {error.strerror or error}")
