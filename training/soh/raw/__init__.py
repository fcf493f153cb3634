"""Raw ageing telemetry: readers of measured sets, and what a battery management system would have seen of each charge."""
