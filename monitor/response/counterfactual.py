"""The interlock's figures: the incident's own images, run through the version that would return.

Each version is measured against its own baseline, on the same images and the same slice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alerts.actions.interlock import Interlock, judge
from alerts.actions.replay import ReplayClient, ReplayError
from detectors.effects import effects
from detectors.frame import Part
from detectors.streams import StreamKey
from vigil.baseline import Baseline
from vigil.batch import make_batch
from vigil.sample import Sample
from vigil.summarise import summarise
from vigil.types import Effect, Slice

COMPARED = ("confidence", "margin", "entropy", "embedding_distance", "predicted_class")
MOST_IMAGES = 512


@dataclass(frozen=True, kw_only=True, slots=True)
class Versions:
    """The two versions that are compared, with their baselines."""

    model: str
    deployment: str
    current: Baseline
    target: Baseline


def compare(
    versions: Versions, sample: Sample, slice: Slice, client: ReplayClient | None
) -> Interlock:
    """Run the sample's thumbnails through the target and judge both.

    The signals of the predictions are compared; the one that drifted most under the current
    version decides.
    """
    current, target = versions.current.model.version, versions.target.model.version
    names = {"current_name": current, "target_name": target}
    if client is None:
        return judge(None, None, why_unavailable="no replay endpoint is configured", **names)
    if not len(sample):
        return judge(None, None, why_unavailable="no images of the incident are stored", **names)
    if not sample.has_thumbnails:
        why = "the privacy setting keeps no pixels to replay"
        return judge(None, None, why_unavailable=why, **names)
    sample = sample.take(np.arange(min(len(sample), MOST_IMAGES)))
    try:
        replayed = client.replay(target, sample.thumbnails)
    except ReplayError as error:
        return judge(None, None, why_unavailable=str(error), **names)
    then = _effects(
        versions, versions.current, sample, sample.probabilities, sample.embedding, slice
    )
    now = _effects(
        versions, versions.target, sample, replayed.probabilities, replayed.embeddings, slice
    )
    measured = [name for name in COMPARED if name in then]
    if not measured:
        return judge(None, None, why_unavailable="no signal could be compared", **names)
    worst = max(measured, key=lambda name: then[name].low - then[name].tolerance)
    if worst not in now:
        why = f"the replay gives no {worst}, which is what drifted"
        return judge(None, None, why_unavailable=why, **names)
    return judge(then[worst], now[worst], **names)


def _effects(
    versions: Versions,
    baseline: Baseline,
    sample: Sample,
    probabilities: NDArray[np.floating],
    embeddings: NDArray[np.floating],
    slice: Slice,
) -> Mapping[str, Effect]:
    batch = make_batch(
        ids=sample.ids,
        counter=np.arange(len(sample), dtype=np.uint64),
        custom_ids=True,
        time_s=sample.time_s,
        version=baseline.model.version,
        images=sample.thumbnails,
        outputs=np.asarray(probabilities, np.float32),
        embeddings=np.asarray(embeddings, np.float32) if embeddings.size else None,
        metadata=sample.metadata,
    )
    summary, _, _ = summarise(batch, baseline.ruler)
    streams = [StreamKey(versions.model, versions.deployment, slice, signal) for signal in COMPARED]
    found = effects([Part(baseline=baseline, summary=summary)], streams)
    return {stream.signal: effect for stream, effect in found.items()}
