"""Equivalent cycles, throughput, rainflow and stress-weighted cycles; see README.md."""
