"""A shop whose database another tool migrates."""
