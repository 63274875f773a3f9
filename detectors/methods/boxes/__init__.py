"""Detected boxes."""
