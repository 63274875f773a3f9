"""The interlock's figures: the incident's own images, run through the version that would return.

Each version is measured against its own baseline, on the same images and the same slice: what the
outputs look like, how many of them are numbers at all, and, where labels of these very images have
come, how often the versions are right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alerts.actions.interlock import Interlock, InterlockOutcome, judge
from alerts.actions.replay import Replayed, ReplayError, Replays
from detectors.effects import effects
from detectors.frame import Part
from detectors.intervals import wilson
from detectors.streams import StreamKey
from vigil.catalogue import ACCURACY
from vigil.measuring.batch import RecordBatch, make_batch
from vigil.measuring.summarise import summarise
from vigil.types import Effect, Slice
from vigil.windows.baseline import Baseline
from vigil.windows.sample import Sample
from vigil.windows.summary import MISSING as NO_VALUE
from vigil.windows.summary import Outcomes

COMPARED = ("confidence", "margin", "entropy", "embedding_distance", "predicted_class")
MOST_IMAGES = 512
MISSING = "outputs that are no numbers"
MISSING_SHARE = 0.05
"""More outputs than this share that are missing or not finite are a fault of their own."""

NO_LABELS: Mapping[str, int] = {}


@dataclass(frozen=True, kw_only=True, slots=True)
class Versions:
    """The two versions that are compared, with their baselines."""

    model: str
    deployment: str
    current: Baseline
    target: Baseline


def compare(
    versions: Versions,
    sample: Sample,
    slice: Slice,
    client: Replays | None,
    *,
    labels: Mapping[str, int] = NO_LABELS,
) -> Interlock:
    """Run the sample's thumbnails through the target and judge both.

    The signal that drifted most under the current version, in units of its tolerance, decides;
    where too few images tell of it, the next one that surely drifted.

    Args:
        labels: of the sample's records, as far as they have come, by id.
    """
    current, target = versions.current.model.version, versions.target.model.version
    names = {"current_name": current, "target_name": target}
    if client is None:
        why = "neither an endpoint nor a function to replay through is configured"
        return judge(None, None, why_unavailable=why, **names)
    if not len(sample):
        return judge(None, None, why_unavailable="no images of the incident are stored", **names)
    if not sample.has_thumbnails:
        why = "the privacy setting keeps no pixels to replay"
        return judge(None, None, why_unavailable=why, **names)
    sample = sample.take(_labelled_first(sample, labels)[:MOST_IMAGES])
    try:
        replayed = client.replay(target, sample.thumbnails)
    except ReplayError as error:
        return judge(None, None, why_unavailable=str(error), **names)
    return judge_outputs(versions, sample, replayed, slice, labels=labels)


def judge_outputs(
    versions: Versions,
    sample: Sample,
    answered: Replayed,
    slice: Slice,
    *,
    labels: Mapping[str, int] = NO_LABELS,
    by: str = "the replay",
    on: str = "",
) -> Interlock:
    """Judge what both versions made of the same records. Pure.

    Args:
        sample: n records with the outputs of the current version.
        answered: the target's outputs for the same n records, in order.
        by: who gave them, in words.
        on: what both saw, in words; the same images where it is not stated.
    """
    names = {
        "current_name": versions.current.model.version,
        "target_name": versions.target.model.version,
    }
    then = _effects(
        versions, versions.current, sample, sample.probabilities, sample.embedding, slice, labels
    )
    now = _effects(
        versions,
        versions.target,
        sample,
        answered.probabilities,
        answered.embeddings,
        slice,
        labels,
    )
    if not then:
        return judge(None, None, why_unavailable="no signal could be compared", **names)
    ranked = sorted(then, key=lambda name: -then[name].low / then[name].tolerance)
    found = [
        judge(
            then[name],
            now.get(name),
            why_unavailable=f"{by} gives no {name}, which is what drifted",
            on=on,
            **names,
        )
        for name in ranked
        if name == ranked[0] or then[name].is_large
    ]
    told = [one for one in found if one.outcome is not InterlockOutcome.UNAVAILABLE]
    return (told or found)[0]


def _labelled_first(sample: Sample, labels: Mapping[str, int]) -> NDArray[np.int64]:
    """Rows of the sample; those that have a label come first, else in their order."""
    known = np.array([record not in labels for record in sample.ids], np.int64)
    return np.argsort(known, kind="stable")


def _effects(
    versions: Versions,
    baseline: Baseline,
    sample: Sample,
    probabilities: NDArray[np.floating],
    embeddings: NDArray[np.floating],
    slice: Slice,
    labels: Mapping[str, int],
) -> Mapping[str, Effect]:
    batch = make_batch(
        ids=sample.ids,
        counter=np.arange(len(sample), dtype=np.uint64),
        custom_ids=True,
        time_s=sample.time_s,
        version=baseline.model.version,
        images=sample.thumbnails if sample.has_thumbnails else None,
        outputs=np.asarray(probabilities, np.float32),
        embeddings=np.asarray(embeddings, np.float32) if embeddings.size else None,
        metadata=sample.metadata,
    )
    summary, _, _ = summarise(batch, baseline.ruler)
    streams = [
        StreamKey(versions.model, versions.deployment, slice, signal)
        for signal in (*COMPARED, ACCURACY.name)
    ]
    outcomes = _outcomes(batch, baseline, labels)
    part = Part(baseline=baseline, summary=summary, outcomes=outcomes)
    found = {stream.signal: effect for stream, effect in effects([part], streams).items()}
    if probabilities.size:
        found[MISSING] = _missing(probabilities)
    return found


def _outcomes(batch: RecordBatch, baseline: Baseline, labels: Mapping[str, int]) -> Outcomes | None:
    rows = [i for i, record in enumerate(batch.ids) if record in labels]
    if not rows:
        return None
    keys = baseline.ruler.layout.keys
    confidence = batch.probabilities[rows].max(axis=1) if batch.probabilities.size else None
    return Outcomes.of(
        keys,
        [tuple(batch.metadata[i].get(key, NO_VALUE) for key in keys) for i in rows],
        np.ones(len(rows)) if confidence is None else confidence,
        np.array([int(batch.prediction[i]) == labels[batch.ids[i]] for i in rows]),
    )


def _missing(probabilities: NDArray[np.floating]) -> Effect:
    """The share of the records whose output is not a number; Wilson's interval."""
    n = len(probabilities)
    gone = float((~np.isfinite(probabilities).all(axis=1)).sum())
    low, high = wilson(np.array([gone]), np.array([float(n)]))
    return Effect(
        value=gone / n,
        low=float(low[0]),
        high=float(high[0]),
        tolerance=MISSING_SHARE,
        unit=MISSING,
        records=n,
    )
