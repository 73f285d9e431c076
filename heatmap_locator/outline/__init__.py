"""Where the pieces are in their photos."""
