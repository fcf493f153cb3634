"""Offline HTML pages: what a model reads, gives and refuses on one asset, and an index of the fleet.

Nothing here writes to a platform. plotly, tsdownsample and jinja2 are imported by the functions that need them.
"""
