"""Failure modes: what wears a cell out, as shares, learned from simulated ageing with counterfactual labels. Offline only."""
