"""Trains the direct box regressors."""
