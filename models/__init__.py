"""Battery models: one folder each, found by its `model.json`."""
