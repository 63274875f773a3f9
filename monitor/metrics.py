"""What vigil says of itself and of the models it watches, for Prometheus.

``CATALOGUE`` is the one list of names: dashboards and documentation are checked against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_FAMILY = ("model", "deployment")
_STREAM = (*_FAMILY, "slice", "signal")
_TICK_BUCKETS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
_STORY_BUCKETS = (1.0, 3.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 86400.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """One metric: its name as Prometheus shows it, its labels, and what it means."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] = ()


def _counter(name: str, labels: tuple[str, ...], text: str) -> Metric:
    return Metric(name=name, kind="counter", labels=labels, help=text)


def _gauge(name: str, labels: tuple[str, ...], text: str) -> Metric:
    return Metric(name=name, kind="gauge", labels=labels, help=text)


def _histogram(name: str, buckets: tuple[float, ...], text: str) -> Metric:
    return Metric(name=name, kind="histogram", labels=(), help=text, buckets=buckets)


CATALOGUE: tuple[Metric, ...] = (
    _counter("vigil_inferences_total", (*_FAMILY, "version"), "Inferences seen in windows."),
    _counter(
        "vigil_records_dropped_total",
        (*_FAMILY, "source"),
        "Inferences that a collector dropped before they were summarised.",
    ),
    _counter(
        "vigil_privacy_withheld_total",
        (*_FAMILY, "reason"),
        "Values that collectors sent beyond the model's privacy, and that were not stored.",
    ),
    _counter(
        "vigil_canaries_total", (*_FAMILY, "outcome"), "Canaries that came to an end, by how."
    ),
    _counter(
        "vigil_controls_total",
        (*_FAMILY, "what", "outcome"),
        "Softer actions by what became of them.",
    ),
    _counter(
        "vigil_windows_ingested_total", ("status",), "Windows received, by what became of them."
    ),
    _gauge("vigil_signal_effect", _STREAM, "Size of the drift, in units of the signal's effect."),
    _gauge("vigil_signal_evidence", _STREAM, "Shiryaev-Roberts evidence of a change, in ticks."),
    _gauge(
        "vigil_signal_mean",
        _STREAM,
        "Mean of the signal in the last ticks, in its unit; of a spread the standard deviation.",
    ),
    _gauge("vigil_evidence_threshold_ticks", (), "Evidence at which a page goes out, in ticks."),
    _gauge("vigil_incidents_open", (*_FAMILY, "severity"), "Incidents that are not resolved."),
    _counter("vigil_incidents_total", (*_FAMILY, "cause"), "Incidents opened."),
    _counter(
        "vigil_pages_total", ("receiver", "outcome"), "Messages sent, by receiver and outcome."
    ),
    _gauge("vigil_outbox_waiting", (), "Messages that wait for delivery."),
    _gauge("vigil_outbox_dead", (), "Messages that were given up and wait for a person."),
    _gauge("vigil_receiver_down", ("receiver",), "1 while a receiver can't be reached, else 0."),
    _gauge("vigil_troubles", (), "What vigil finds wrong with itself."),
    _counter("vigil_ticks_total", (), "Fleet ticks judged."),
    _counter(
        "vigil_models_failed_total",
        _FAMILY,
        "Ticks in which an error, which is in the log, kept a model from being judged.",
    ),
    _histogram("vigil_tick_duration_seconds", _TICK_BUCKETS, "Time that a fleet tick took."),
    _gauge("vigil_last_tick_timestamp_seconds", (), "End of the last window that was judged."),
    _gauge(
        "vigil_source_last_window_timestamp_seconds",
        (*_FAMILY, "source"),
        "End of the last window that a source sent.",
    ),
    _counter("vigil_rollbacks_total", (*_FAMILY, "outcome"), "Rollbacks, by outcome."),
    _gauge("vigil_label_tasks", (*_FAMILY, "state"), "Images picked for labelling, by state."),
    _gauge(
        "vigil_label_oldest_seconds",
        _FAMILY,
        "Age of the oldest image that waits for its label; 0 where none waits.",
    ),
    _counter("vigil_relabel_items_total", _FAMILY, "Images queued for a person to label."),
    _counter(
        "vigil_retrainings_total",
        (*_FAMILY, "outcome"),
        "Retrainings, by what became of them: requested, failed, helped, did_not_help, unproven.",
    ),
    _gauge(
        "vigil_quality_accuracy",
        (*_FAMILY, "slice", "bound"),
        "Accuracy as labels of the last 30 days know it: value, and 95 % interval (low, high).",
    ),
    _gauge(
        "vigil_label_gold_right", _FAMILY, "Share of gold items that labellers got right, 30 days."
    ),
    _gauge("vigil_label_agreement", _FAMILY, "Krippendorff's alpha of the labellers, 30 days."),
    _counter(
        "vigil_labels_total", (*_FAMILY, "status"), "Labels received, by what became of them."
    ),
    _histogram("vigil_time_to_detect_seconds", _STORY_BUCKETS, "From onset to detection."),
    _histogram("vigil_time_to_page_seconds", _STORY_BUCKETS, "From onset to the first page."),
    _histogram(
        "vigil_time_to_acknowledge_seconds",
        _STORY_BUCKETS,
        "From the first page to the acknowledgement.",
    ),
    _histogram("vigil_time_to_mitigate_seconds", _STORY_BUCKETS, "From onset to mitigation."),
    _histogram("vigil_time_to_recover_seconds", _STORY_BUCKETS, "From onset to recovery."),
    _gauge(
        "vigil_latency_seconds",
        (*_FAMILY, "version", "quantile"),
        "Latency of an inference in the latest windows, from counts per bin.",
    ),
    _gauge(
        "vigil_cost_per_thousand",
        _FAMILY,
        "What 1000 inferences cost lately: the replicas' price over what they inferred.",
    ),
    _gauge("vigil_audit_pages", (), "Pages of the last self-audit, over the windows it judged."),
    _gauge("vigil_audit_budget_pages", (), "Pages that the budget allows in those windows."),
    _gauge("vigil_audit_realised_rate", (), "Pages per allowed page in the last self-audit."),
    _gauge(
        "vigil_audit_leaking_streams", (), "Streams and strata found to lean in the last audit."
    ),
    _gauge("vigil_audit_timestamp_seconds", (), "When the last self-audit ended."),
    _gauge("vigil_false_pages_30d", (), "Incidents of the last 30 days that people called false."),
    _gauge("vigil_false_pages_budget_30d", (), "False pages that the budget allows in that time."),
)


class Metrics:
    """The metrics of one service, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, Histogram] = {}
        self._replaced: dict[str, dict[tuple[str, ...], Gauge]] = {}
        self._replacing = Lock()
        for metric in CATALOGUE:
            if metric.kind == "counter":
                self._counters[metric.name] = Counter(
                    metric.name, metric.help, metric.labels, registry=self.registry
                )
            elif metric.kind == "gauge":
                self._gauges[metric.name] = Gauge(
                    metric.name, metric.help, metric.labels, registry=self.registry
                )
            else:
                self._histograms[metric.name] = Histogram(
                    metric.name,
                    metric.help,
                    metric.labels,
                    registry=self.registry,
                    buckets=metric.buckets,
                )

    def count(self, name: str, amount: float = 1.0, **labels: str) -> None:
        """Add to a counter.

        Raises:
            KeyError: no counter of this name is in the catalogue.
            ValueError: other labels than the catalogue's.
        """
        counter = self._counters[name]
        (counter.labels(**labels) if labels else counter).inc(amount)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge; raises as ``count`` does."""
        gauge = self._gauges[name]
        (gauge.labels(**labels) if labels else gauge).set(value)

    def replace(self, name: str, values: Mapping[tuple[str, ...], float]) -> None:
        """Set a gauge for exactly these label values, in the catalogue's order of labels.

        Only what has gone is removed, so that a scrape never finds the gauge half filled. A gauge
        that is replaced is not set by ``gauge`` too.
        """
        gauge = self._gauges[name]
        with self._replacing:
            known = self._replaced.setdefault(name, {})
            for gone in known.keys() - values.keys():
                gauge.remove(*gone)
                del known[gone]
            for labels, value in values.items():
                child = known.get(labels)
                if child is None:
                    child = known[labels] = gauge.labels(*labels)
                child.set(value)

    def observe(self, name: str, value: float) -> None:
        """Add to a histogram; raises as ``count`` does."""
        self._histograms[name].observe(value)

    def text(self) -> bytes:
        """Everything, in Prometheus' text format (``CONTENT_TYPE``)."""
        return generate_latest(self.registry)
