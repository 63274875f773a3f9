"""Softer actions than a rollback: a threshold, a flag, a share of traffic, a kill switch."""
