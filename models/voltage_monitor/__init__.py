"""Limits of every cell with delays and hysteresis, states of the data, and figures of the alarm system; see README.md."""
