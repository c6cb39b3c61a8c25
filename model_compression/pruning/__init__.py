"""Pruning: channels that are cut out, which makes networks faster, and single weights, which makes files smaller."""
