"""Imbalance of the cells of a series string: who deviates, why, and what it costs; see README.md."""
