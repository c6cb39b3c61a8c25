"""Draw a search for a document: its front, which choices mattered, and the best network block by block.

    python scripts/plot_search.py runs/digits --out docs/images/search.png

The folder holds study.db, and table.json unless --table names the latency table. Needs matplotlib.
"""

import argparse
from itertools import cycle
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.axes import Axes

from edgezoo.report.architecture import COLORS, Timed, channels, resolution, stage_starts, timed_parts
from edgezoo.report.choices import FEWEST, importances
from edgezoo.report.style import BLUE, GREEN, GREY, INK, RED
from latency_tables import load_table
from search import SearchResult
from search.result import load_result
from search.storage import open_study

_MOST_CHOICES = 10


def main() -> None:
    """Draw one search."""
    parser = argparse.ArgumentParser(description="Draw a search for a document.")
    parser.add_argument("folder", type=Path, help="storage of the search")
    parser.add_argument("--table", type=Path, help="its latency table; default FOLDER/table.json")
    parser.add_argument("--out", type=Path, default=Path("docs/images/search.png"))
    args = parser.parse_args()
    table = load_table(args.table or args.folder / "table.json")
    study = open_study(args.folder)
    result = load_result(study)
    timed = timed_parts(result.best.spec, table)
    figure = pyplot.figure(figsize=(11, max(6.0, 1 + 0.32 * len(timed))), layout="constrained")
    grid = figure.add_gridspec(2, 3, width_ratios=(1.25, 1, 0.8))
    boxes = figure.add_subplot(grid[:, 1])
    _front(figure.add_subplot(grid[0, 0]), result, f"{table.device.runtime} {table.device.dtype}")
    _importances(figure.add_subplot(grid[1, 0]), importances(result, study))
    _architecture(boxes, figure.add_subplot(grid[:, 2], sharey=boxes), timed)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=110)


def _front(axis: Axes, result: SearchResult, what: str) -> None:
    front, best = result.pareto_front, result.best
    everywhere = [(c.predicted_ms, 100 * c.accuracy) for c in result.candidates]
    axis.scatter(*zip(*everywhere, strict=True), s=14, color=GREY, label="candidates")
    steps = [*((c.predicted_ms, 100 * c.accuracy) for c in front), (result.budget_ms, 100 * best.accuracy)]
    marked = list(range(len(front)))  # the line goes on to the budget
    axis.step(*zip(*steps, strict=True), where="post", marker="o", ms=4, markevery=marked, color=BLUE, label="front")
    axis.plot(best.predicted_ms, 100 * best.accuracy, "*", ms=13, color=GREEN, label="best")
    axis.axvline(result.budget_ms, color=INK, ls=":", label="budget")
    axis.set(xlabel=f"predicted latency, ms ({what})", ylabel="validation accuracy, %", xlim=(0, None))
    axis.legend(fontsize=8)


def _importances(axis: Axes, shares: dict[str, tuple[float, float]]) -> None:
    if not shares:
        axis.text(0.5, 0.5, f"fewer than {FEWEST} candidates, or all alike:\nno importances", ha="center", va="center")
        axis.axis("off")
        return
    names = sorted(shares, key=lambda name: max(shares[name]))[-_MOST_CHOICES:]
    for index, (goal, color) in enumerate((("accuracy", BLUE), ("latency", RED))):
        places = [place + 0.2 - 0.4 * index for place in range(len(names))]
        axis.barh(places, [100 * shares[name][index] for name in names], 0.38, color=color, label=f"for {goal}")
    axis.set(yticks=range(len(names)), yticklabels=names, xlabel="share in importance, %")
    axis.legend(fontsize=8, loc="lower right")


def _architecture(boxes: Axes, bars: Axes, timed: list[Timed]) -> None:
    colors = dict(zip(dict.fromkeys(t.part.name for t in timed), cycle(COLORS), strict=False))
    for place, t in enumerate(timed):
        width, color = channels(t), colors[t.part.name]
        boxes.barh(place, width, 0.85, left=-width / 2, color=color)
        boxes.text(0, place, t.text, ha="center", va="center", fontsize=8)
        bars.barh(place, t.ms, 0.85, color=color)
        bars.text(t.ms, place, f" {t.ms:.3f}, {t.share:.0%}", va="center", fontsize=8)
    starts = stage_starts(timed)
    for start in starts[1:]:
        for axis in (boxes, bars):
            axis.axhline(start - 0.5, color=GREY, lw=0.7, ls=":")
    middles = [(start + end - 1) / 2 for start, end in zip(starts, [*starts[1:], len(timed)], strict=True)]
    boxes.set(xticks=[], yticks=middles, yticklabels=[resolution(timed[start]) for start in starts], xlabel="channels")
    boxes.tick_params(left=False)
    boxes.set_ylim(len(timed) - 0.5, -0.5)
    bars.set(xlabel="ms, share of the network", xlim=(0, 1.7 * max(t.ms for t in timed)))
    bars.tick_params(labelleft=False, left=False)
    for axis in (boxes, bars):
        axis.spines[["top", "right", "left"]].set_visible(False)


if __name__ == "__main__":
    main()
