"""Internal states of a lithium-ion cell from current, voltage and temperature; see README.md."""
