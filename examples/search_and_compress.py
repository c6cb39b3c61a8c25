"""A search within a budget, its best network compressed, and the file used without edgezoo.

python examples/search_and_compress.py     (two minutes; edgezoo run does the same, longer and with a report)
"""

import numpy as np
import onnxruntime

import latency_tables
import model_compression
import search
from zoo.data import load_data
from zoo.training import TrainConfig

data = load_data("digits", resolution=32)
table = latency_tables.load_table("onnxruntime-int8")  # of the reference machine; edgezoo latency build makes yours
result = search.run_search("tiny", data, table, budget_ms=0.3, trials=4, epochs=2, storage="runs/example", workers=1)
for candidate in result.pareto_front:
    print(f"trial {candidate.trial}: {candidate.accuracy:.1%}, predicted {candidate.predicted_ms:.3f} ms")

artifact = model_compression.compress(
    result.best, data, recipe="train+int8", folder="runs/example/best", config=TrainConfig(epochs=4)
)
print(f"{artifact.path}: {artifact.accuracy:.1%} of the test images, measured {artifact.measured_ms:.3f} ms")

card = artifact.card.input
session = onnxruntime.InferenceSession(artifact.path)
image = np.zeros((1, card.channels, card.resolution, card.resolution), np.float32)
print("scores of a grey image:", session.run(None, {session.get_inputs()[0].name: image})[0].round(2))
