"""Trains the locator."""
