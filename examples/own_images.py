"""A zoo network trained on your own images and kept in one file.

python examples/own_images.py [folder:PATH]     (one folder a class; without it the digits of scikit-learn)
"""

import sys

import zoo
from zoo.data import load_data
from zoo.small_images import for_small_images
from zoo.training import TrainConfig, accuracy, train

PIXELS = 16

data = load_data(sys.argv[1] if len(sys.argv) > 1 else "digits", resolution=PIXELS)
spec = for_small_images(zoo.get_spec("mobilenetv1_025"), PIXELS)  # .at_resolution(PIXELS) for photographs
network = spec.build(num_classes=data.num_classes, in_chans=data.in_chans)
for epoch in train(network, data, TrainConfig(epochs=12), resolution=PIXELS):
    print(f"epoch {epoch.number}: loss {epoch.loss:.3f}")

reached = accuracy(network, data.test, data, PIXELS)
zoo.save_model(network, "own.safetensors", {"data": data.name, "accuracy": f"{reached:.3f}"})
print(f"{reached:.1%} of {len(data.test)} test images -> own.safetensors")

again = zoo.load_model("own.safetensors")  # the file says what network it is
assert accuracy(again, data.test, data, PIXELS) == reached
