"""What the proxy says of itself, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

HELP: Mapping[str, str] = {
    "vigil_proxy_calls_total": "Inferences that passed, whatever became of them.",
    "vigil_proxy_passed_total": "Other requests that passed.",
    "vigil_proxy_events_total": "CloudEvents taken.",
    "vigil_proxy_not_recorded_total": "Calls and events that were not recorded, by reason: "
    "`failed`, `refused` (by the server), `too_large`, `overload`, `cut_off`, `unreadable`, "
    "`upstream_away`, `recorder_away`, `malformed`, `other_model`, `bad_tensors`, `error`, "
    "`duplicate`, `request_missing`, `response_missing`.",
    "vigil_proxy_recorded_total": "Records handed to the tap, by model in the server.",
    "vigil_proxy_recorder_restarts_total": "How often the recording process was started anew.",
    "vigil_proxy_connections": "Connections that are open.",
    "vigil_proxy_held_bytes": "Bytes of messages that pass, or wait to be recorded.",
    "vigil_proxy_waiting": "Calls that wait to be recorded.",
    "vigil_proxy_tap_dropped_total": "Records that a tap dropped, by model and reason.",
    "vigil_proxy_triton_requests_total": "Requests that Triton answered, by outcome.",
    "vigil_proxy_triton_inferences_total": "Inferences that Triton ran; a batch is many.",
    "vigil_proxy_triton_executions_total": "Batches that Triton ran.",
    "vigil_proxy_triton_queue_seconds_total": "Time that requests spent in Triton's queue.",
    "vigil_proxy_triton_compute_seconds_total": "Time that Triton computed.",
    "vigil_proxy_triton_pending": "Requests that wait in Triton.",
}
_NOT_REASONS = ("calls", "passed", "events", "recorder_restarts", "recorded")
_TRITON = {
    "inferences": "vigil_proxy_triton_inferences_total",
    "executions": "vigil_proxy_triton_executions_total",
    "queue_seconds": "vigil_proxy_triton_queue_seconds_total",
    "compute_seconds": "vigil_proxy_triton_compute_seconds_total",
}


def exposition(
    counts: Mapping[str, int], gauges: Mapping[str, float], said: Mapping[str, Any]
) -> bytes:
    """The page.

    Args:
        counts: of the forwarding process.
        gauges: ``connections``, ``held_bytes`` and ``waiting`` of it.
        said: what the recording process said last.
    """
    registry = CollectorRegistry()
    registry.register(_Page(counts, gauges, said))
    return generate_latest(registry)


class _Page:
    def __init__(self, counts: Any, gauges: Any, said: Any) -> None:
        self._counts, self._gauges, self._said = counts, gauges, said

    def collect(self) -> Iterator[Metric]:
        counts, told = self._counts, self._said.get("counts", {})
        for name in ("calls", "passed", "events", "recorder_restarts"):
            yield _counter(f"vigil_proxy_{name}_total", {(): counts.get(name, 0)})
        reasons = {(k,): v for k, v in {**counts, **told}.items() if k not in _NOT_REASONS}
        yield _counter("vigil_proxy_not_recorded_total", reasons, "reason")
        for name, value in self._gauges.items():
            yield _gauge(f"vigil_proxy_{name}", {(): value})
        recorded = {(model,): n for model, n in self._said.get("recorded", {}).items()}
        yield _counter("vigil_proxy_recorded_total", recorded, "model")
        dropped = {
            (model, reason): n
            for model, stats in self._said.get("taps", {}).items()
            for reason, n in stats.get("dropped", {}).items()
        }
        yield _counter("vigil_proxy_tap_dropped_total", dropped, "model", "reason")
        yield from _triton({k: v for k, v in self._said.get("triton", {}).items() if v})


def _triton(totals: Mapping[str, Mapping[str, float]]) -> Iterator[Metric]:
    if not totals:
        return
    outcomes = {
        (model, outcome): one.get(name, 0)
        for model, one in totals.items()
        for outcome, name in (("success", "requests"), ("failure", "failures"))
    }
    yield _counter("vigil_proxy_triton_requests_total", outcomes, "model", "outcome")
    for name, ours in _TRITON.items():
        yield _counter(ours, {(m,): one.get(name, 0) for m, one in totals.items()}, "model")
    pending = {(model,): one.get("pending", 0) for model, one in totals.items()}
    yield _gauge("vigil_proxy_triton_pending", pending, "model")


_Values = Mapping[Any, float]
"""By the values of the labels, a tuple."""


def _counter(name: str, values: _Values, *labels: str) -> Metric:
    return _filled(CounterMetricFamily(name, HELP[name], labels=labels), values)


def _gauge(name: str, values: _Values, *labels: str) -> Metric:
    return _filled(GaugeMetricFamily(name, HELP[name], labels=labels), values)


def _filled(family: CounterMetricFamily | GaugeMetricFamily, values: _Values) -> Metric:
    for labels, value in sorted(values.items()):
        family.add_metric(labels, value)
    return family
