"""State of health: readers of measured ageing, honest protocols, comparators, forecast and failure modes. Offline only."""
