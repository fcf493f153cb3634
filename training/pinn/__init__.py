"""Offline work behind `models/pinn_internal_state`: simulated truth, the network, its training and its evaluation."""
