"""Latency and missing data."""
