"""Trains the outline network."""
