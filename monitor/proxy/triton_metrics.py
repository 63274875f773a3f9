"""Triton's own metrics of one model: totals as gauges, and what a call cost as signals.

Names of the server's metrics are those of its documentation ("Metrics", Triton Inference Server).
"""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Mapping

from vigil.hardware.signals import reading
from vigil.types import Signal

EVERY_S = 5.0
STALE_S = 30.0
_MOST_BYTES = 16 * 2**20
_MICRO = 1e-6
GAUGES: Mapping[str, tuple[str, float]] = {
    "requests": ("nv_inference_request_success", 1.0),
    "failures": ("nv_inference_request_failure", 1.0),
    "inferences": ("nv_inference_count", 1.0),
    "executions": ("nv_inference_exec_count", 1.0),
    "queue_seconds": ("nv_inference_queue_duration_us", _MICRO),
    "compute_seconds": ("nv_inference_compute_infer_duration_us", _MICRO),
    "pending": ("nv_inference_pending_request_count", 1.0),
}
"""What we call it -> what the server does, and the factor from its unit to ours."""


_TOLERANCE = 0.15

TRITON_SIGNALS: tuple[Signal, ...] = (
    reading(
        "triton_queue_s",
        "seconds",
        60.0,
        _TOLERANCE,
        "mean time in Triton's queue, of its last seconds",
    ),
    reading(
        "triton_compute_s", "seconds", 60.0, _TOLERANCE, "mean time that Triton computed, likewise"
    ),
    reading(
        "triton_batch_size", "inferences", 1024.0, _TOLERANCE, "inferences that Triton ran at once"
    ),
    reading("triton_pending", "requests", 10_000.0, _TOLERANCE, "requests that wait in Triton"),
)


class TritonMetrics:
    """Asks the server every five seconds, in a thread of its own.

    Args:
        url: of the server's metrics, such as ``http://127.0.0.1:8002/metrics``; "" asks nobody.
        model: as the server names it.
    """

    def __init__(self, url: str, model: str) -> None:
        self._url, self._model = url, model
        self._totals: dict[str, float] = {}
        self._latest: tuple[float, dict[str, float]] = (-STALE_S, {})
        self.problem = ""
        if url:
            threading.Thread(target=self._run, name="vigil-triton", daemon=True).start()

    @property
    def signals(self) -> tuple[Signal, ...]:
        """Those that ``latest`` gives."""
        return TRITON_SIGNALS if self._url else ()

    def latest(self) -> Mapping[str, float]:
        """Signals of the last interval in which the model ran; none where that is long ago."""
        at_s, found = self._latest
        return found if time.monotonic() - at_s < STALE_S else {}

    def gauges(self) -> dict[str, float]:
        """Totals since the server began, by our names."""
        return dict(self._totals)

    def ask(self) -> None:
        """Once. Never raises: ``problem`` says what is wrong."""
        try:
            # The URL is the operator's own, from the command line.
            with urllib.request.urlopen(self._url, timeout=EVERY_S) as reply:
                text = reply.read(_MOST_BYTES).decode("utf-8", "replace")
            totals = read_totals(text, self._model)
        except (OSError, ValueError) as error:
            self.problem = f"{self._url}: {error}"
            return
        self.problem = "" if totals else f"{self._url}: nothing about {self._model}"
        found = between(self._totals, totals)
        if found:
            self._latest = (time.monotonic(), found)
        self._totals = totals

    def _run(self) -> None:
        while True:
            self.ask()
            time.sleep(EVERY_S)


def read_totals(text: str, model: str) -> dict[str, float]:
    """All versions of a model together, by our names.

    Raises:
        ValueError: not Prometheus's text format.
    """
    from prometheus_client.parser import text_string_to_metric_families

    ours = {theirs: (name, factor) for name, (theirs, factor) in GAUGES.items()}
    totals: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            known = ours.get(sample.name) or ours.get(sample.name.removesuffix("_total"))
            if known is not None and sample.labels.get("model") == model:
                name, factor = known
                totals[name] = totals.get(name, 0.0) + sample.value * factor
    return totals


def between(before: Mapping[str, float], now: Mapping[str, float]) -> dict[str, float]:
    """Signals from two looks at the totals. None where nothing ran, or the server began anew."""
    grown = {name: value - before[name] for name, value in now.items() if name in before}
    requests, executions = grown.get("requests", 0.0), grown.get("executions", 0.0)
    if requests <= 0 or any(grown[name] < 0 for name in grown if name != "pending"):
        return {}
    found = {
        "triton_queue_s": grown.get("queue_seconds", 0.0) / requests,
        "triton_compute_s": grown.get("compute_seconds", 0.0) / requests,
    }
    if executions > 0:
        found["triton_batch_size"] = grown.get("inferences", 0.0) / executions
    if "pending" in now:
        found["triton_pending"] = now["pending"]
    return found
