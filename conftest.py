"""What holds before any test imports PyTorch: tests run side by side, each with one core."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
