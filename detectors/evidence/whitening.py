"""Pre-whitening: what of a window could not be foretold from the ones before it.

The residual r (score less reference and profile) is foretold linearly from the last two windows
and from two exponential means, of about 5 and 20 windows, each as a deviation from the same
reference: ::

    e_t = r_t - phi . (x_{t-1}, x_{t-2}, m5, m20)

A heterogeneous autoregression: four coefficients whiten short and long memory alike, where a plain
one of low order leaves the weather in. The coefficients are ridge regressions on the stream's own
healthy windows, renewed every ``RENEW`` windows.

The exponential means take in at most ``CLIP`` standard deviations of e at once: a jump stays
surprising for as long as it lasts, instead of for one window.

Source: Corsi, A Simple Approximate Long-Memory Model of Realized Volatility, 2009 (the form of the
autoregression); Huber, 1964 (the clipping).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from detectors.evidence.table import FEATURES, LAGS, StreamTable

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

MEMORIES = np.array([5.0, 20.0])
RIDGE = 0.01
RENEW = 32
CLIP = 3.0


def features(table: StreamTable, rows: Rows, base: Floats) -> Floats:
    """(m, FEATURES): the last windows and means, less ``base`` (m,)."""
    seen = np.concatenate([table.lags[rows], table.smooth[rows]], axis=1)
    return np.asarray(seen.astype(np.float64) - base[:, None])


def remember(table: StreamTable, rows: Rows, score: Floats, error: Floats, scale: Floats) -> None:
    """Take a window in as the past of the next.

    Args:
        score, error: (m,); error is 0 where nothing was foretold. scale: (m,) of the error.
    """
    first = table.remembered[rows] == 0
    older = np.where(first, score, table.lags[rows, 0])
    table.lags[rows, 0], table.lags[rows, 1] = score, older
    bound = CLIP * scale
    mild = score - (error - np.clip(error, -bound, bound))
    gain = np.maximum(1.0 / MEMORIES, 1.0 / (table.remembered[rows, None] + 1.0))
    table.smooth[rows] += gain * (mild[:, None] - table.smooth[rows])
    table.remembered[rows] += 1


def solve(gram: Floats, cross: Floats) -> Floats:
    """Coefficients (m, FEATURES) from (m, FEATURES, FEATURES) and (m, FEATURES)."""
    size = np.trace(gram, axis1=1, axis2=2) / FEATURES
    ridge = (RIDGE * size + 1e-12)[:, None, None] * np.eye(FEATURES)
    return np.asarray(np.linalg.solve(gram + ridge, cross[:, :, None])[:, :, 0])


def spread_model(moments: Floats) -> tuple[Floats, Floats]:
    """Variance of a residual as ``a noise^2 + b``: weighted least squares, a >= 1 and b >= 0.

    Correlated frames make a larger than 1; variation between windows is b.

    Args:
        moments: (..., 5), means of s^2, s, 1, s r^2 and r^2 over squared variances, s = noise^2.
    """
    ss, s, one, sr, r = np.moveaxis(moments, -1, 0)
    determinant = ss * one - s**2
    told_apart = determinant > 1e-3 * ss * one
    a = np.where(told_apart, (sr * one - r * s) / np.where(told_apart, determinant, 1.0), 1.0)
    a = np.clip(a, 1.0, 20.0)
    b = (r - a * s) / np.maximum(one, 1e-30)
    too_much = b < 0
    a = np.where(too_much, np.clip(sr / np.maximum(ss, 1e-30), 1.0, 50.0), a)
    return a, np.where(too_much, 0.0, b)


def lagged(score: Floats) -> Floats:
    """Features of a whole history without gaps: (T, n) to (FEATURES, T, n), not yet as deviations;
    the first row foretells itself."""
    out = np.empty((FEATURES, *score.shape))
    for lag in range(1, LAGS + 1):
        out[lag - 1, lag:], out[lag - 1, :lag] = score[:-lag], score[0]
    for i, memory in enumerate(MEMORIES.tolist()):
        keep = 1.0 - 1.0 / memory
        level, _ = lfilter([1.0 / memory], [1.0, -keep], score, axis=0, zi=keep * score[:1])
        out[LAGS + i, 0], out[LAGS + i, 1:] = score[0], level[:-1]
    return out
