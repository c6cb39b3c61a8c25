"""What a shipped network expects of an image, for the scripts beside: only its card is asked, not edgezoo."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps


def read_card(folder: Path) -> dict[str, Any]:
    """Return the card of the artifact in `folder`."""
    return json.loads((folder / "model.json").read_text())


def read_picture(path: Path, card: dict[str, Any]) -> np.ndarray:
    """Return an image file as a batch (1, C, H, W) float32, normalised as the card says."""
    wanted = card["input"]
    size = (wanted["resolution"], wanted["resolution"])
    picture = Image.open(path).convert("L" if wanted["channels"] == 1 else "RGB")
    picture = ImageOps.fit(picture, size, Image.Resampling.BILINEAR)  # the middle, as in training
    pixels = np.asarray(picture, np.float32).reshape(*size, -1) / 255
    pixels = (pixels - np.float32(wanted["mean"])) / np.float32(wanted["std"])
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])
