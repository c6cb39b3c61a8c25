"""An artifact in ExecuTorch: python examples/run_executorch.py FOLDER IMAGE (edgezoo compress --compare executorch)."""

import sys
from pathlib import Path

import torch
from executorch.runtime import Runtime
from picture import read_card, read_picture

folder, picture = map(Path, sys.argv[1:])
card = read_card(folder)
program = Runtime.get().load_program(folder / "formats" / "executorch-fp32" / "model.pte")
scores = program.load_method("forward").execute([torch.from_numpy(read_picture(picture, card))])[0][0]
print(card["classes"][scores.argmax()])
