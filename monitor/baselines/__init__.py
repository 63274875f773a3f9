"""Baselines: read from data, compared."""
