"""Windows, rulers and baselines made by hand, for the tests of what stores them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from vigil.catalogue import SCALAR_NAMES
from vigil.types import ModelRef
from vigil.windows.baseline import Baseline
from vigil.windows.ruler import Projection, Ruler
from vigil.windows.sample import Sample, unit_hash
from vigil.windows.summary import FEATURE_UNIT, Layout, Summary
from vigil.windows.window import EMPTY_LEDGER, Ledger, Window

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MODEL = ModelRef(name="digits", version="v1")
CELLS = (("cam-1", "north"), ("cam-2", "north"), ("cam-3", "south"))


def layout(features: int = 8, bins: int = 16) -> Layout:
    return Layout(
        keys=("camera", "site"), signals=SCALAR_NAMES, bins=bins, classes=10, features=features
    )


def ruler(model: ModelRef = MODEL, *, features: int = 8, bins: int = 16, seed: int = 0) -> Ruler:
    rng = np.random.default_rng(seed)
    lay = layout(features, bins)
    signals = len(lay.signals)
    return Ruler(
        model=ModelRef(name=model.name, version=model.version),
        layout=lay,
        edges=np.sort(rng.random((signals, bins - 1)), axis=1),
        center=np.full(signals, 0.5),
        scale=np.full(signals, 0.3),
        projection=Projection(
            weights=rng.normal(size=(features // 2, 4)).astype(np.float32),
            mean=np.zeros(4, np.float32),
            whitening=np.eye(4, dtype=np.float32),
        ),
    )


def baseline(model: ModelRef = MODEL, *, seed: int = 0, **sizes: int) -> Baseline:
    measured = ruler(model, seed=seed, **sizes)
    return Baseline(
        model=measured.model,
        dataset="made by hand",
        created_at=NOON - timedelta(days=7),
        ruler=measured,
        reference=summary(measured.layout, CELLS, records=50, seed=seed),
        outcomes=None,
        healthy_scores={"confidence": np.zeros(20, np.float32)},
        sample=sample(["base-1", "base-2"], model),
    )


def summary(
    lay: Layout, cells: Sequence[tuple[str, ...]], *, records: int, seed: int = 0
) -> Summary:
    """``records`` in each cell, spread over the bins at random."""
    rng = np.random.default_rng(seed)
    c, s = len(cells), len(lay.signals)
    return Summary(
        layout=lay,
        cells=tuple(cells),
        records=np.full(c, records, np.int64),
        counts=rng.multinomial(records, [1 / (lay.bins + 1)] * (lay.bins + 1), size=(c, s)),
        moments=rng.integers(-(2**14), 2**14, (c, s, 2)),
        classes=rng.multinomial(records, [1 / (lay.classes + 1)] * (lay.classes + 1), size=c),
        embedded=np.full(c, records, np.int64),
        features=rng.integers(-FEATURE_UNIT, FEATURE_UNIT, (c, lay.features)),
    )


def sample(
    ids: Sequence[str], model: ModelRef = MODEL, *, at: datetime = NOON, pixels: int = 0
) -> Sample:
    n = len(ids)
    rng = np.random.default_rng(n)
    return Sample(
        signal_names=SCALAR_NAMES,
        ids=tuple(ids),
        versions=(model.version,) * n,
        metadata=tuple(
            dict(zip(("camera", "site"), CELLS[i % len(CELLS)], strict=True)) for i in range(n)
        ),
        uris=("",) * n,
        trace_ids=("",) * n,
        time_s=np.full(n, at.timestamp()),
        prediction=np.arange(n, dtype=np.int32) % 10,
        probabilities=rng.random((n, 10)).astype(np.float16),
        embedding=rng.normal(size=(n, 4)).astype(np.float16),
        signals=rng.random((n, len(SCALAR_NAMES))).astype(np.float32),
        priority=np.array([unit_hash(one) for one in ids], np.float64),
        weight=np.ones(n),
        thumbnails=rng.integers(0, 255, (n, pixels, pixels, 1)).astype(np.uint8),
    )


def window(
    sequence: int = 0,
    *,
    source: str = "cam.host-1",
    boot: str = "b1",
    model: ModelRef = MODEL,
    end: datetime = NOON,
    measured: Ruler | None = None,
    records: int = 3,
    cells: Sequence[tuple[str, ...]] = CELLS,
    sampled: int = 4,
    ids: Sequence[str] = (),
    dropped: dict[str, int] | None = None,
    seconds: float = 60.0,
    pixels: int = 0,
) -> Window:
    """A window of ``records`` in each cell; record i of it predicts class i mod 10 with
    confidence 0.8 and lies in cell i mod the number of cells."""
    measured = measured or ruler(model)
    total = records * len(cells)
    first = sequence * 1000
    names = list(ids) or [f"{source}.{boot}.{first + i}" for i in range(total)]
    kept = names[: min(sampled, total)]
    ledger = EMPTY_LEDGER
    if total:
        ledger = Ledger(
            counter=np.arange(first, first + total, dtype=np.uint64),
            cell=(np.arange(total) % len(cells)).astype(np.uint16),
            prediction=(np.arange(total) % 10).astype(np.int32),
            confidence=np.full(total, 0.8, np.float32),
            ids=tuple(ids),
        )
    start = end - timedelta(seconds=seconds)
    return Window(
        source=source,
        boot=boot,
        sequence=sequence,
        model=model,
        start=start,
        end=end,
        ruler=measured.id,
        summary=summary(measured.layout, cells if total else (), records=records, seed=sequence),
        sample=sample(kept, model, at=start, pixels=pixels),
        informative=sample(kept[:2], model, at=start, pixels=pixels),
        ledger=ledger,
        dropped=dropped or {},
    )
