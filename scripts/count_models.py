"""Count every network of the zoo on the meta device and write the figures that `zoo.model_info` reads.

usage: python scripts/count_models.py
"""

import csv
import io
from pathlib import Path

import zoo
from zoo.catalog import count
from zoo.files import write_atomic

_PATH = Path(zoo.__file__).parent / "models" / "figures.csv"


def main() -> None:
    """Write one row a network: name, parameters, MACs, resolution, kinds of block."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("name", "params", "macs", "resolution", "blocks"))
    for name in zoo.list_models():
        figures = count(name)
        writer.writerow((name, figures.params, figures.macs, figures.resolution, " ".join(figures.blocks)))
    write_atomic(_PATH, text.getvalue())
    print(f"{len(zoo.list_models())} networks -> {_PATH}")


if __name__ == "__main__":
    main()
