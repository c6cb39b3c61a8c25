"""Print the figures of finished runs as the rows of the table in docs/benchmarks.md.

usage: python scripts/run_figures.py RUN_FOLDER [RUN_FOLDER ...]
"""

import sys
from pathlib import Path
from statistics import median

from pydantic import TypeAdapter

from edgezoo.settings import RunSettings
from edgezoo.verification import Verified
from latency_tables import load_table
from model_compression import ModelCard

_VERIFIED = TypeAdapter(list[Verified])


def row(folder: Path) -> str:
    """Return one line of the table for a run folder."""
    settings = RunSettings.model_validate_json((folder / "settings.json").read_bytes())
    card = ModelCard.model_validate_json((folder / "model.json").read_bytes())
    table = load_table(folder / "table.json")
    verified = _VERIFIED.validate_json((folder / "verified.json").read_bytes())
    ratios = [v.predicted_ms / v.measured_ms for v in verified]
    common = median(ratios)  # other than 1 where the whole machine was slower or faster than for the table
    minutes = float((folder / "seconds.json").read_text()) / 60
    cells = (
        Path(settings.data).name,
        f"{settings.budget_ms:g}",
        f"{card.measured_ms:.3f}",
        f"{card.predicted_ms:.3f}",
        f"{100 * (card.test.of(settings.dtype) or 0):.1f}",
        f"{100 * (card.test.fp32 or 0):.1f}",
        f"{card.params:,}",
        f"{card.macs / 1e6:.1f}",
        f"{100 * table.validation.mape:.1f}",
        f"{common:.2f}",
        f"{100 * median(abs(ratio / common - 1) for ratio in ratios):.1f}",
        f"{minutes:.1f}",
        card.created[:10],
    )
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Print a header and one row a run."""
    print(
        "| data | budget ms | measured ms | predicted ms | test int8 % | test fp32 % | parameters | MACs M "
        "| table error % | candidates: predicted / measured | error beside that % | minutes | date |"
    )
    print("|" + "---|" * 13)
    for argument in sys.argv[1:]:
        print(row(Path(argument)))


if __name__ == "__main__":
    main()
