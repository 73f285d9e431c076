"""Labels for one's own pieces: places proposed, confirmed by a key, kept as a manifest."""
