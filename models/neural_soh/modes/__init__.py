"""What wears a cell out, told from its charges: shares of SEI growth, plating and loss of active material of either electrode."""
