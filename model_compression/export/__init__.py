"""Trained networks to files that a runtime executes, and the cards that describe them."""
