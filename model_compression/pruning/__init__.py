"""Channels and weights taken out of trained networks."""
