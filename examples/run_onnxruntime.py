"""An artifact in onnxruntime: python examples/run_onnxruntime.py FOLDER IMAGE (FOLDER as edgezoo run left it)."""

import sys
from pathlib import Path

import onnxruntime
from picture import read_card, read_picture

folder, picture = map(Path, sys.argv[1:])
card = read_card(folder)
session = onnxruntime.InferenceSession(folder / "model.onnx")
scores = session.run(None, {session.get_inputs()[0].name: read_picture(picture, card)})[0][0]
print(card["classes"][scores.argmax()])
