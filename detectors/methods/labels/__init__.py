"""Predictions with late labels, or without."""
