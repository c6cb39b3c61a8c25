"""Draw what bench_latency_tables.py measured: predicted against measured latencies, one picture for all results.

    python scripts/plot_latency_tables.py build/bench/*.json --out docs/images/latency_tables.png

Needs matplotlib: pip install matplotlib
"""

import argparse
import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.axes import Axes

_COLORS = {"space": "tab:blue", "zoo": "tab:orange"}


def main() -> None:
    """Draw one panel for each result."""
    parser = argparse.ArgumentParser(description="Draw predicted against measured latencies.")
    parser.add_argument("results", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/images/latency_tables.png"))
    args = parser.parse_args()
    results = [json.loads(path.read_text()) for path in args.results]
    columns = min(3, len(results))
    rows = -(-len(results) // columns)
    figure, axes = pyplot.subplots(rows, columns, figsize=(4.2 * columns, 3.8 * rows), squeeze=False)
    for axis, result in zip(axes.flat, results, strict=False):
        _draw(axis, result)
    for axis in list(axes.flat)[len(results) :]:
        axis.set_visible(False)
    figure.tight_layout()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=110)


def _draw(axis: Axes, result: dict) -> None:
    for group, color in _COLORS.items():
        points = [point[1:] for point in result["points"] if point[0] == group]
        measured, predicted, low, high = zip(*points, strict=True)
        spans = [
            [p - lo for p, lo in zip(predicted, low, strict=True)],
            [hi - p for p, hi in zip(predicted, high, strict=True)],
        ]
        label = f"{len(points)} of the {group}"
        axis.errorbar(measured, predicted, spans, fmt="o", ms=3, lw=0.6, color=color, label=label)
    ends = [min(point[1] for point in result["points"]), max(point[1] for point in result["points"])]
    axis.plot(ends, ends, color="black", lw=0.7)
    device, busy = result["device"], " beside a busy process" if result["busy"] else ""
    axis.set(xscale="log", yscale="log", xlabel="measured ms", ylabel="predicted ms, with 90 % interval")
    axis.set_title(f"{device['runtime']} {device['dtype']}{busy}", fontsize=10)
    axis.legend(fontsize=8)


if __name__ == "__main__":
    main()
