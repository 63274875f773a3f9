"""Detectors: windows and baselines in, scores, evidence, effects and causes out. All pure.

``detectors.get(name)`` gives a detector that is usable alone; ``detectors.names()`` lists them.
"""

from detectors.detector import Comparison, Detector, Exactness, Takes
from detectors.registry import get, names, register

__all__ = ["Comparison", "Detector", "Exactness", "Takes", "get", "names", "register"]
