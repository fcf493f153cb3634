"""Lowest and highest cell voltage, and their spread."""
