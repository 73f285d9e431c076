"""Trains the second stage: which of the places found is the piece's own, by looking at both."""
