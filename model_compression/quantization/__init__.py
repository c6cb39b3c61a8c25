"""Quantization: numbers of 2 to 8 bits in place of floats."""
