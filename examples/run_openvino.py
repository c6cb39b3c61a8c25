"""An artifact in OpenVINO: python examples/run_openvino.py FOLDER IMAGE (FOLDER as edgezoo run left it)."""

import sys
from pathlib import Path

import openvino
from picture import read_card, read_picture

folder, picture = map(Path, sys.argv[1:])
card = read_card(folder)
network = openvino.compile_model(folder / "model.onnx", "CPU", {"PERFORMANCE_HINT": "LATENCY"})
scores = network(read_picture(picture, card))[0][0]
print(card["classes"][scores.argmax()])
