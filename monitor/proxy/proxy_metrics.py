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
    "vigil_proxy_recorded_total": "Records handed to the tap.",
    "vigil_proxy_recorder_restarts_total": "How often the recording process was started anew.",
    "vigil_proxy_connections": "Connections that are open.",
    "vigil_proxy_held_bytes": "Bytes of messages that pass, or wait to be recorded.",
    "vigil_proxy_waiting": "Calls that wait to be recorded.",
    "vigil_proxy_tap_dropped_total": "Records that the tap dropped, by reason.",
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
    model: str, counts: Mapping[str, int], gauges: Mapping[str, float], said: Mapping[str, Any]
) -> bytes:
    """The page.

    Args:
        counts: of the forwarding process.
        gauges: ``connections``, ``held_bytes`` and ``waiting`` of it.
        said: what the recording process said last.
    """
    registry = CollectorRegistry()
    registry.register(_Page(model, counts, gauges, said))
    return generate_latest(registry)


class _Page:
    def __init__(self, model: str, counts: Any, gauges: Any, said: Any) -> None:
        self._model, self._counts, self._gauges, self._said = model, counts, gauges, said

    def collect(self) -> Iterator[Metric]:
        counts, told = self._counts, self._said.get("counts", {})
        for name in ("calls", "passed", "events", "recorder_restarts"):
            yield self._counter(f"vigil_proxy_{name}_total", counts.get(name, 0))
        yield self._counter("vigil_proxy_recorded_total", told.get("recorded", 0))
        yield self._by(
            "vigil_proxy_not_recorded_total",
            "reason",
            {k: v for k, v in {**counts, **told}.items() if k not in _NOT_REASONS},
        )
        dropped = self._said.get("tap", {}).get("dropped", {})
        yield self._by("vigil_proxy_tap_dropped_total", "reason", dropped)
        for name, value in self._gauges.items():
            yield self._gauge(f"vigil_proxy_{name}", value)
        triton = self._said.get("triton", {})
        if triton:
            outcomes = {"success": triton.get("requests", 0), "failure": triton.get("failures", 0)}
            yield self._by("vigil_proxy_triton_requests_total", "outcome", outcomes)
            for theirs, ours in _TRITON.items():
                yield self._counter(ours, triton.get(theirs, 0))
            yield self._gauge("vigil_proxy_triton_pending", triton.get("pending", 0))

    def _counter(self, name: str, value: float) -> Metric:
        family = CounterMetricFamily(name, HELP[name], labels=["model"])
        family.add_metric([self._model], value)
        return family

    def _gauge(self, name: str, value: float) -> Metric:
        family = GaugeMetricFamily(name, HELP[name], labels=["model"])
        family.add_metric([self._model], value)
        return family

    def _by(self, name: str, label: str, values: Mapping[str, float]) -> Metric:
        family = CounterMetricFamily(name, HELP[name], labels=["model", label])
        for one, value in sorted(values.items()):
            family.add_metric([self._model, one], value)
        return family
