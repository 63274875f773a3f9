"""Detectors: windows and baselines in, scores, evidence, effects and causes out. All pure."""
