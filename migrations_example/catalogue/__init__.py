"""A small music catalogue: artists, their albums, and the tracks on them."""
