"""Jobs in a queue, and workers that do them."""
