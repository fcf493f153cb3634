"""State of health of a cell from the charges that it gets: segments of charging in raw telemetry, and what each shows."""
