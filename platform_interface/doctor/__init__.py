"""Does the mapping fit the data? Evidence is gathered and told, with a proposal; nothing is ever applied."""
