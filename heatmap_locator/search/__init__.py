"""The path of a piece: made ready, places proposed, compared, checked."""
