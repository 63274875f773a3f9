"""Scores of one tick: how far each signal of each slice is from what the baselines make
expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from detectors.frame import Frame, Part, frame_of
from detectors.reference import Floats
from detectors.statistics.category import category_statistics
from detectors.statistics.outcome import outcome_statistics
from detectors.statistics.scalar import scalar_statistics
from detectors.statistics.spread import spread_statistics
from detectors.statistics.vector import vector_statistics
from detectors.statistics.whitened import whitened_statistics
from detectors.streams import StreamKey
from vigil.catalogue import (
    ACCURACY,
    CALIBRATION,
    EMBEDDING,
    EMBEDDING_WHITENED,
    LOST_CLASS,
    PREDICTED_CLASS,
    spread_of,
)
from vigil.types import Slice

__all__ = ["Part", "ScoreBatch", "score"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ScoreBatch:
    """N scores of one tick.

    * ``score`` (N,): the statistic; ``noise`` (N,): its sampling standard deviation under no drift
      for a window of this size; ``records`` (N,): what it rests on.
    * ``novel`` (N,): the slice is unknown to the baselines; its score is the open one.
    * ``open_score``, ``open_noise`` (N,): the statistic that known and novel slices share, against
      the whole baseline, so that a novel slice can be judged beside its siblings.
    * ``healthy``: (model, deployment, signal) to standardised scores of pseudo-windows of the
      baseline.
    """

    streams: tuple[StreamKey, ...]
    score: Floats
    noise: Floats
    records: NDArray[np.int64]
    novel: NDArray[np.bool_]
    open_score: Floats
    open_noise: Floats
    healthy: Mapping[tuple[str, str, str], NDArray[np.float32]]

    def __len__(self) -> int:
        return len(self.streams)

    @staticmethod
    def join(batches: Sequence[ScoreBatch]) -> ScoreBatch:
        """The scores of several models in one tick."""
        if len(batches) == 1:
            return batches[0]
        if not batches:
            return EMPTY
        return ScoreBatch(
            streams=tuple(stream for batch in batches for stream in batch.streams),
            score=np.concatenate([batch.score for batch in batches]),
            noise=np.concatenate([batch.noise for batch in batches]),
            records=np.concatenate([batch.records for batch in batches]),
            novel=np.concatenate([batch.novel for batch in batches]),
            open_score=np.concatenate([batch.open_score for batch in batches]),
            open_noise=np.concatenate([batch.open_noise for batch in batches]),
            healthy={key: value for batch in batches for key, value in batch.healthy.items()},
        )


EMPTY = ScoreBatch(
    streams=(),
    score=np.zeros(0),
    noise=np.zeros(0),
    records=np.zeros(0, np.int64),
    novel=np.zeros(0, bool),
    open_score=np.zeros(0),
    open_noise=np.zeros(0),
    healthy={},
)


def score(
    parts: Sequence[Part],
    model: str,
    deployment: str,
    *,
    slices: Sequence[Slice] | None = None,
) -> ScoreBatch:
    """Score every signal on every slice of one model's traffic in one tick.

    Args:
        parts: what each version did, each with its own baseline.
        model, deployment: name the streams.
        slices: which slices; the whole, each ``key=value`` and the leaf cells where not stated.

    Scores: mean rank and spread (scalars), chi-square over n less its expectation (classes),
    unbiased MMD^2 and whitened distance (embedding), change of accuracy, excess squared calibration
    error (labels). All compare a slice with the distributions of its own leaf cells in the
    baseline. A slice of which the baseline knows no cell is *novel*: scored by its out-of-range
    share, chi-square or squared distance against the whole baseline. Spreads are scored in known
    cells, of signals that the baseline has.

    Raises:
        RulerMismatchError: see ``frame_of``.
    """
    frame = frame_of(parts, slices)
    columns = _columns(frame)
    use = np.stack([column.use for column in columns], axis=1)
    names = tuple(column.name for column in columns)

    def pick(name: str) -> NDArray[np.float64]:
        table = np.stack([getattr(column, name) for column in columns], axis=1)
        return np.asarray(table[use])

    healthy = {
        (model, deployment, signal): scores
        for part in parts
        for signal, scores in part.baseline.healthy_scores.items()
    }
    return ScoreBatch(
        streams=_streams(model, deployment, frame.slices, names, use.tobytes()),
        score=pick("score"),
        noise=pick("noise"),
        records=pick("records").astype(np.int64),
        novel=np.stack([column.novel for column in columns], axis=1)[use],
        open_score=pick("open_score"),
        open_noise=pick("open_noise"),
        healthy=healthy,
    )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Column:
    """One signal over all slices; ``use`` says where there is a score at all."""

    name: str
    use: NDArray[np.bool_]
    score: Floats
    noise: Floats
    records: Floats
    novel: NDArray[np.bool_]
    open_score: Floats
    open_noise: Floats


def _columns(frame: Frame) -> list[_Column]:
    columns = _scalar_columns(frame)
    own, wide = category_statistics(frame, whole=False), category_statistics(frame, whole=True)
    columns.append(
        _choose(
            PREDICTED_CLASS.name,
            frame.novel,
            (own.score, own.noise, own.records),
            (wide.score, wide.noise, wide.records),
        )
    )
    lost = (own.loss.score, own.loss.noise, own.loss.records)
    known = np.zeros(len(frame.slices), dtype=bool)  # a new place has no usual classes to lose
    columns.append(_choose(LOST_CLASS.name, known, lost, lost))
    near, far = vector_statistics(frame, whole=False), vector_statistics(frame, whole=True)
    columns.append(
        _choose(
            EMBEDDING.name,
            frame.novel,
            (near.score, near.noise, near.records),
            (far.score, far.noise, far.records),
        )
    )
    alike, wider = whitened_statistics(frame, whole=False), whitened_statistics(frame, whole=True)
    columns.append(
        _choose(
            EMBEDDING_WHITENED.name,
            frame.novel,
            (alike.score, alike.noise, alike.records),
            (wider.score, wider.noise, wider.records),
        )
    )
    outcome = outcome_statistics(frame)
    if outcome is not None:
        accuracy = (outcome.accuracy - outcome.expected, outcome.accuracy_noise, outcome.records)
        gap = outcome.calibration - outcome.reference_calibration
        calibration = (gap, outcome.calibration_noise, outcome.records)
        columns.append(_choose(ACCURACY.name, known, accuracy, accuracy))
        columns.append(_choose(CALIBRATION.name, known, calibration, calibration))
    return columns


def _scalar_columns(frame: Frame) -> list[_Column]:
    stats, apart = scalar_statistics(frame), spread_statistics(frame)
    known = np.zeros(len(frame.slices), dtype=bool)
    columns = []
    for s, name in enumerate(frame.signals):
        n = stats.all_records[:, s]
        if stats.has_reference[s]:
            own = (stats.place[:, s], stats.place_noise[:, s], stats.records[:, s])
            excess = stats.outside[:, s] - stats.outside_expected[:, s]
            wide = (excess, stats.outside_noise[:, s], n)
        else:
            own = wide = (stats.rank[:, s], stats.rank_noise[:, s], n)
        columns.append(_choose(name, frame.novel, own, wide))
        if stats.has_reference[s]:
            spread = (apart.spread[:, s], apart.noise[:, s], apart.records[:, s])
            columns.append(_choose(spread_of(name), known, spread, spread))
    return columns


def _choose(
    name: str,
    novel: NDArray[np.bool_],
    own: tuple[Floats, Floats, Floats],
    wide: tuple[Floats, Floats, Floats],
) -> _Column:
    score, noise, records = own
    if novel.any():
        score, noise, records = (np.where(novel, w, o) for w, o in zip(wide, own, strict=True))
    return _Column(
        name=name,
        use=records > 0,
        score=score,
        noise=noise,
        records=records,
        novel=novel,
        open_score=wide[0],
        open_noise=wide[1],
    )


@lru_cache(maxsize=128)
def _streams(
    model: str, deployment: str, slices: tuple[Slice, ...], names: tuple[str, ...], used: bytes
) -> tuple[StreamKey, ...]:
    """One tuple for all ticks of one layout, so that the engine finds its rows by identity."""
    return tuple(compress(_grid(model, deployment, slices, names), used))


@lru_cache(maxsize=32)
def _grid(
    model: str, deployment: str, slices: tuple[Slice, ...], names: tuple[str, ...]
) -> tuple[StreamKey, ...]:
    """The stream of every slice and signal, whether it has a score or not."""
    return tuple(StreamKey(model, deployment, piece, name) for piece in slices for name in names)
