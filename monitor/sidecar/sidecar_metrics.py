"""What the sidecar says of itself, for Prometheus and for a health check."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from monitor.sidecar.sidecar import Sidecar

LABELS = ("model", "deployment", "source")
STUCK_S = 30.0

HELP: Mapping[str, str] = {
    "vigil_sidecar_rings": "Rings that are read.",
    "vigil_sidecar_unreadable_rings": "Files that are no rings this vigil reads.",
    "vigil_sidecar_waiting_rings": "Rings that are not read because there are too many.",
    "vigil_sidecar_lost_rings_total": "Rings given up (`cut`), or removed unread, by reason.",
    "vigil_sidecar_records_total": "Records measured.",
    "vigil_sidecar_dropped_records_total": "Records not recorded, by reason (docs/collector.md).",
    "vigil_sidecar_windows_total": "Windows sealed.",
    "vigil_sidecar_ring_used_ratio": "Share of a ring that is not given back yet.",
    "vigil_sidecar_spool_entries": "Windows and batches of labels that wait for the service.",
    "vigil_sidecar_unsaved_entries": "Of these, how many the disk does not take.",
    "vigil_sidecar_oldest_wait_seconds": "How long the oldest of these has waited.",
    "vigil_sidecar_shipped_total": "Windows by the service's answer, labels sent, and failures.",
    "vigil_sidecar_lost_total": "Entries lost from the spool: `spool_full` counts records.",
    "vigil_sidecar_failures_total": "Steps of a ring that failed.",
}


def health(sidecar: Sidecar) -> tuple[int, bytes]:
    """Status and body of ``/healthz``: 503 where nothing was read for half a minute.

    Anyone may ask, so it names what is wrong; paths, addresses and texts of errors are in the log.
    """
    silent = time.monotonic() - sidecar.stepped_s
    status = "ok" if silent < STUCK_S else "stuck"
    said = {
        "status": status,
        "rings": sidecar.said(),
        "unreadable": sidecar.unreadable.reasons,
        "waiting": len(sidecar.spool.entries()),
        "unsaved": len(sidecar.spool.unsaved()),
        "service": sidecar.shipper.problem,
        "problems": sidecar.problems,
    }
    return 200 if status == "ok" else 503, json.dumps(said).encode()


def exposition(sidecar: Sidecar) -> bytes:
    """The page of ``/metrics``."""
    registry = CollectorRegistry()
    registry.register(_Page(sidecar))
    return generate_latest(registry)


class _Page:
    def __init__(self, sidecar: Sidecar) -> None:
        self._sidecar = sidecar

    def collect(self) -> Iterator[Metric]:
        sidecar = self._sidecar
        records, windows, dropped = sidecar.totals()
        yield _gauge("vigil_sidecar_rings", len(sidecar.lines))
        yield _gauge("vigil_sidecar_unreadable_rings", len(sidecar.unreadable))
        yield _gauge("vigil_sidecar_waiting_rings", sidecar.waiting_rings)
        given_up = sidecar.unreadable.removed + Counter(cut=sidecar.cut_rings)
        yield _counter("vigil_sidecar_lost_rings_total", ("reason",), _named(given_up))
        yield _counter("vigil_sidecar_records_total", LABELS, records)
        yield _counter("vigil_sidecar_windows_total", LABELS, windows)
        yield _counter("vigil_sidecar_dropped_records_total", (*LABELS, "reason"), dropped)
        used = GaugeMetricFamily(
            "vigil_sidecar_ring_used_ratio",
            HELP["vigil_sidecar_ring_used_ratio"],
            labels=[*LABELS, "boot"],
        )
        shares: dict[tuple[str, ...], float] = {}
        for ring in sidecar.said():  # a boot whose file was taken away has two for a while
            label = tuple(ring[name] for name in (*LABELS, "boot"))
            shares[label] = max(ring["used"], shares.get(label, 0.0))
        for label, share in shares.items():
            used.add_metric(label, share)
        yield used
        entries = sidecar.spool.entries()
        yield _gauge("vigil_sidecar_spool_entries", len(entries))
        yield _gauge("vigil_sidecar_unsaved_entries", len(sidecar.spool.unsaved()))
        oldest = max(0.0, time.time() - entries[0].order / 1e6) if entries else 0.0
        yield _gauge("vigil_sidecar_oldest_wait_seconds", oldest)
        shipped = _named(sidecar.shipper.counts)
        yield _counter("vigil_sidecar_shipped_total", ("outcome",), shipped)
        yield _counter("vigil_sidecar_lost_total", ("reason",), _named(sidecar.spool.counts))
        yield _counter("vigil_sidecar_failures_total", (), {(): sidecar.failures})


def _named(counts: Mapping[str, int]) -> dict[tuple[str], int]:
    return {(name,): n for name, n in counts.items()}


def _gauge(name: str, value: float) -> Metric:
    return GaugeMetricFamily(name, HELP[name], value=value)


def _counter(name: str, labels: tuple[str, ...], values: Mapping[Any, int]) -> Metric:
    family = CounterMetricFamily(name, HELP[name], labels=labels)
    for one, value in sorted(values.items()):
        family.add_metric(list(one), value)
    return family
