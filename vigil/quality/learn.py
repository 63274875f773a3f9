"""Learns a schema from the records of a baseline, batch by batch."""

from __future__ import annotations

from collections import Counter

import numpy as np

from vigil.quality.schema import (
    MOST_FORMS,
    MOST_KEYS,
    MOST_NAME,
    ImageForm,
    Key,
    Records,
    Schema,
    kind_of,
)

RARE = 0.001
"""What fewer of the baseline's records have is not learned: a baseline has its own bad records."""
SEGMENTATION = "segmentation"
"""Its columns are as many as the classes that a batch of masks happens to show."""
MOST_KNOWN = 4 * MOST_KEYS


class SchemaLearner:
    """Counts what batches have. Memory is bounded whatever they have."""

    def __init__(self) -> None:
        self.records = 0
        self._forms: Counter[ImageForm] = Counter()
        self._classes: Counter[int] = Counter()
        self._dimensions: Counter[int] = Counter()
        self._others: dict[str, Counter[int]] = {}
        self._keys: Counter[str] = Counter()
        self._kinds: dict[str, Counter[str]] = {}
        self._low, self._high = np.inf, -np.inf

    def add(self, batch: Records) -> None:
        n = len(batch)
        self.records += n
        if batch.image_form is not None and (
            batch.image_form in self._forms or len(self._forms) < MOST_KNOWN
        ):
            self._forms[batch.image_form] += n
        usable = batch.pixel_range[np.isfinite(batch.pixel_range).all(axis=1)]
        if len(usable):
            self._low = min(self._low, float(usable[:, 0].min()))
            self._high = max(self._high, float(usable[:, 1].max()))
        if batch.task != SEGMENTATION:
            self._classes[batch.probabilities.shape[1]] += n
        self._dimensions[batch.embedding.shape[1]] += n
        for name, vectors in batch.others.items():
            if name in self._others or len(self._others) < MOST_KEYS:
                self._others.setdefault(name, Counter())[vectors.shape[1]] += n
        times = Counter(map(id, batch.metadata))
        for metadata in {id(one): one for one in batch.metadata}.values():
            for key, value in metadata.items():
                if key in self._keys or len(self._keys) < MOST_KNOWN:
                    self._keys[key] += times[id(metadata)]
                    self._kinds.setdefault(key, Counter())[kind_of(value)] += times[id(metadata)]

    def schema(self) -> Schema | None:
        """What was learned; None of no records."""
        if not self.records:
            return None
        least = RARE * self.records
        forms = [form for form, n in self._forms.items() if n >= least]
        sizes = sorted({form.size for form in forms})
        kept = [
            (key, n)
            for key, n in self._keys.most_common(MOST_KEYS)
            if n >= least and len(key) <= MOST_NAME
        ]
        return Schema(
            records=self.records,
            sizes=tuple(sizes) if len(sizes) <= MOST_FORMS else (),
            channels=tuple(sorted({form.channels for form in forms})),
            types=tuple(sorted({form.kind for form in forms})),
            low=self._low if np.isfinite(self._low) else None,
            high=self._high if np.isfinite(self._high) else None,
            classes=_only(self._classes),
            dimension=_only(self._dimensions),
            others={name: size for name, seen in self._others.items() if (size := _only(seen))},
            keys={
                key: Key(
                    share=n / self.records,
                    kinds=tuple(sorted(k for k, m in self._kinds[key].items() if m >= RARE * n)),
                )
                for key, n in kept
            },
        )


def _only(seen: Counter[int]) -> int:
    """The one size that there was; 0 for none or several."""
    sizes = [size for size in seen if size]
    return sizes[0] if len(sizes) == 1 and not seen[0] else 0
