"""Whether a step may stay: accuracy on images held out, latency measured in turns, before and after."""

import math
from typing import Any

from pydantic import BaseModel, ConfigDict
from torch import Tensor

_Z95 = 1.959963984540054


class Interval(BaseModel):
    """A figure and its 95 % interval."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float
    low: float
    high: float


class Verdict(BaseModel):
    """What a step did.

    Attributes:
        accuracy_before, accuracy_after: shares of the held-out images, 0..1.
        drop: of accuracy, image by image.
        ms_before, ms_after: medians measured in turns; None where the step leaves the latency as it is.
        reason: why it may not stay; "" where it may.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    accuracy_before: float
    accuracy_after: float
    drop: Interval
    ms_before: Interval | None = None
    ms_after: Interval | None = None
    reason: str = ""

    @property
    def passed(self) -> bool:
        """Whether the step stays."""
        return not self.reason


class Attempt(BaseModel):
    """One try of a step.

    Attributes:
        settings: of the step as it was tried.
        error: why it could not be carried out; "" where it could.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: dict[str, Any]
    verdict: Verdict | None = None
    error: str = ""

    @property
    def reason(self) -> str:
        """Why it did not stay; "" where it did."""
        return self.error or (self.verdict.reason if self.verdict else "")


class StepReport(BaseModel):
    """What came of a step: its tries, the last of which stayed or none did."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: str
    attempts: tuple[Attempt, ...]

    @property
    def kept(self) -> bool:
        """Whether the network is now what the step made of it."""
        return not self.attempts[-1].reason


def paired_drop(before: Tensor, after: Tensor) -> Interval:
    """Return by how much the share of true values falls from `before` to `after`, bool (N,), of the same images.

    The interval is Agresti and Min's for matched pairs (Statistics in Medicine 24, 2005): half an image is added to
    each of the four counts.
    """
    count = len(before)
    lost, won = int((before & ~after).sum()), int((~before & after).sum())
    centre = (lost - won) / (count + 2)
    spread = (lost + won + 1) - (lost - won) ** 2 / (count + 2)
    half = _Z95 * math.sqrt(spread) / (count + 2)
    return Interval(value=(lost - won) / count, low=max(-1.0, centre - half), high=min(1.0, centre + half))


def judge(
    before: Tensor, after: Tensor, timed: tuple[Interval, Interval] | None, *, max_drop: float, max_ratio: float
) -> Verdict:
    """Return the verdict on a step that lost at most `max_drop` (0..1) of accuracy and took `max_ratio` of the time.

    Args:
        before, after: whether each held-out image was classified rightly, bool (N,).
        timed: latencies before and after, where the step is to make the network faster. The upper end of the one after
            must lie below `max_ratio` times the lower end of the one before: faster beyond doubt.
    """
    drop, reasons = paired_drop(before, after), []
    if drop.value > max_drop:
        reasons.append(
            f"loses {100 * drop.value:.1f} points ({100 * drop.low:.1f} to {100 * drop.high:.1f}), "
            f"more than {100 * max_drop:g}"
        )
    if timed and not timed[1].high < max_ratio * timed[0].low:
        allowed = "" if max_ratio == 1 else f" of the {max_ratio:g} times asked for"
        reasons.append(f"not faster: {timed[1].value:.4g} ms after {timed[0].value:.4g}{allowed}")
    return Verdict(
        accuracy_before=float(before.float().mean()),
        accuracy_after=float(after.float().mean()),
        drop=drop,
        ms_before=timed and timed[0],
        ms_after=timed and timed[1],
        reason="; ".join(reasons),
    )


def describe(report: StepReport) -> str:
    """Return what came of a step, in a line."""
    last, softer = report.attempts[-1], len(report.attempts) - 1
    tried = f" after {softer} softer {'try' if softer == 1 else 'tries'}" if softer else ""
    if not report.kept:
        return f"{report.step}: rolled back{tried}: {last.reason}"
    verdict = last.verdict
    assert verdict is not None
    told = f"accuracy {verdict.accuracy_before:.1%} -> {verdict.accuracy_after:.1%}"
    if verdict.ms_before and verdict.ms_after:
        told += f", {verdict.ms_before.value:.4g} -> {verdict.ms_after.value:.4g} ms"
    return f"{report.step}: kept{tried}: {told}"
