"""Benchmarks, one question a file: ``python -m bench [name ...]``."""
