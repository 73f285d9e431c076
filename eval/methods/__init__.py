"""Ways to find pieces: the library, and what it is measured beside."""
