"""A bank, in which no money gets lost."""
