"""Data faults of a model's newest windows, as its page shows them."""

from __future__ import annotations

from collections import Counter

from dashboards.console.readmodels import DataFaultLine
from monitor.web.console.queries_windows import Traffic
from vigil.quality.counts import Quality
from vigil.quality.kinds import DataFault

OF_INPUTS = {
    "truncated": "files that came cut short",
    "corrupt": "files that can't be decoded",
    "no_consent": "records without consent, which are not counted",
}
MOST_CELLS = 3


def data_faults(traffic: Traffic) -> tuple[DataFaultLine, ...]:
    """Faults of records, most frequent first, then of inputs that became no record."""
    records = sum(window.records for window in traffic.windows)
    quality = Quality.sum(window.quality for window in traffic.windows)
    keys = next((one.summary.layout.keys for one in traffic.windows if one.quality), ())
    lines = [
        DataFaultLine(
            kind=kind,
            words=_words(kind),
            records=quality.total(kind),
            share=quality.total(kind) / max(1, records),
            where=_where(quality.counts[kind], keys),
            example=quality.examples.get(kind, ""),
        )
        for kind in sorted(quality.counts, key=quality.total, reverse=True)
    ]
    dropped: Counter[str] = Counter()
    for window in traffic.windows:
        dropped.update(window.dropped_by)
    lines += [
        DataFaultLine(
            kind=reason,
            words=words,
            records=dropped[reason],
            share=dropped[reason] / max(1, records + dropped[reason]),
        )
        for reason, words in OF_INPUTS.items()
        if dropped[reason]
    ]
    return tuple(lines)


def _words(kind: str) -> str:
    try:
        return DataFault(kind).words
    except ValueError:  # what a newer tap counts
        return kind.replace("_", " ")


def _where(counts: object, keys: tuple[str, ...]) -> str:
    """The cells that have most of them."""
    if not keys or not isinstance(counts, dict):
        return ""
    most = sorted(counts, key=lambda cell: -counts[cell])
    shown = [" & ".join(f"{k}={v}" for k, v in zip(keys, cell, strict=False)) for cell in most]
    more = f" and {len(shown) - MOST_CELLS} more" if len(shown) > MOST_CELLS else ""
    return ", ".join(shown[:MOST_CELLS]) + more
