"""Things to do."""
