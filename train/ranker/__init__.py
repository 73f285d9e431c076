"""Fits the ranker."""
