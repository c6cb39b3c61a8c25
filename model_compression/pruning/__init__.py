"""Pruning: channels that are cut out, and single weights that are set to zero."""
