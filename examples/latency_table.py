"""A latency table of this machine, and its prediction for a network that was never measured.

python examples/latency_table.py     (a minute; a table to rely on takes edgezoo latency build some more)
"""

import random

import latency_tables
import search

space = search.SPACES.get("tiny")
table = latency_tables.build_table(space, dtype="int8", networks=24, seconds_each=0.2, rounds=3)
table.save("this-machine.json")
print(f"{len(table.observations)} networks measured, error on unseen ones {table.validation.mape:.1%}")

spec = space.sample(random.Random(7))
estimate = table.predict(spec)
print(f"predicted {estimate.ms:.3f} ms ({estimate.low_ms:.3f} to {estimate.high_ms:.3f})")

network = spec.build(num_classes=table.num_classes)
measured = latency_tables.measure(network, (1, 3, spec.resolution, spec.resolution), dtype="int8")
print(f"measured {measured.median_ms:.3f} ms (p10 {measured.p10_ms:.3f}, p90 {measured.p90_ms:.3f})")
