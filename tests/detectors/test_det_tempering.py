"""Tempering: bets on extremes keep their pace where memory is short, and lose it where it is long;
the scale of a stream grows slowly, so that a fault does not make itself usual."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from detectors.evidence import calm
from detectors.evidence.tempering import BLOCKS, of_history, tempers


def of_memory(memory: float) -> np.ndarray:
    """Tempers (slow, fast, spread) of a stream whose normal scores are AR(1)."""
    shocks = np.random.default_rng(5).standard_normal((20_000, 1)) * np.sqrt(1.0 - memory**2)
    q = lfilter([1.0], [1.0, -memory], shocks, axis=0)
    squares, blocks = of_history(q)
    both = np.stack([squares, np.broadcast_to(blocks, squares.shape)], axis=1)
    return tempers(both[:, None], blocks)[0, 0]


def test_independent_windows_are_hardly_tempered():
    slow, fast, _ = of_memory(0.0)
    assert fast < 1.1
    assert slow < 2.5


def test_a_little_memory_left_slows_bets_on_extremes():
    """What is left after whitening, at a lag of one, and the tempers of the fast bets."""
    tempered = [of_memory(memory)[1] for memory in (0.0, 0.1, 0.2, 0.4)]
    assert tempered == sorted(tempered)
    assert tempered[2] > 1.5
    assert tempered[3] > 4.0


def test_few_blocks_count_as_none():
    many = np.zeros((1, len(BLOCKS)), np.int64)
    squares = np.full((1, 1, 2, len(BLOCKS)), 50.0)
    assert tempers(squares, many)[0, 0].tolist() == [1.5, 1.0, 1.5]


def test_a_lasting_fault_raises_the_scale_slowly_and_a_calm_stream_is_back_soon():
    """Five windows at five deviations; then the same from a calm hour."""
    usual, quiet = np.ones(1), np.full(1, 0.5)
    for _ in range(5):
        usual = calm.next_scale(usual, 25.0 / usual)
        quiet = calm.next_scale(quiet, 25.0 / quiet)
    assert 1.2 < usual[0] < 1.35
    assert quiet[0] > 0.85


def test_the_scale_of_a_healthy_stream_stays_near_one():
    z = np.random.default_rng(6).standard_normal((4000, 50))
    scale, seen = np.ones(50), []
    for row in z:
        scale = calm.next_scale(scale, row**2 / scale)
        seen.append(scale)
    assert abs(float(np.mean(seen[500:])) - 1.0) < 0.05
