"""Pages worth coming back to."""
