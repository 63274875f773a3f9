"""Triton's own metrics, folded in."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from monitor.proxy.triton_metrics import TRITON_SIGNALS, TritonMetrics, between, read_totals

# As Triton 2.73 writes them; two versions of the model, and another one.
PAGE = """\
# HELP nv_inference_request_success Number of successful inference requests, all batch sizes
# TYPE nv_inference_request_success counter
nv_inference_request_success{model="reader",version="1"} 10
nv_inference_request_success{model="reader",version="2"} 30
nv_inference_request_success{model="other",version="1"} 999
# HELP nv_inference_request_failure Number of failed inference requests, all batch sizes
# TYPE nv_inference_request_failure counter
nv_inference_request_failure{model="reader",reason="OTHER",version="1"} 2
nv_inference_request_failure{model="reader",reason="CANCELED",version="1"} 1
# TYPE nv_inference_count counter
nv_inference_count{model="reader",version="1"} 80
# TYPE nv_inference_exec_count counter
nv_inference_exec_count{model="reader",version="1"} 20
# TYPE nv_inference_queue_duration_us counter
nv_inference_queue_duration_us{model="reader",version="1"} 400000
# TYPE nv_inference_compute_infer_duration_us counter
nv_inference_compute_infer_duration_us{model="reader",version="1"} 2000000
# TYPE nv_inference_pending_request_count gauge
nv_inference_pending_request_count{model="reader",version="1"} 3
# TYPE nv_gpu_utilization gauge
nv_gpu_utilization{gpu_uuid="GPU-1"} 0.5
"""
TOTALS = {
    "requests": 40.0,
    "failures": 3.0,
    "inferences": 80.0,
    "executions": 20.0,
    "queue_seconds": 0.4,
    "compute_seconds": 2.0,
    "pending": 3.0,
}


def test_versions_and_reasons_are_summed_in_our_units():
    assert read_totals(PAGE, "reader") == pytest.approx(TOTALS)
    assert read_totals(PAGE, "nobody") == {}


def test_two_looks_tell_what_a_call_cost_lately():
    """Means of what was added since; the queue's length is as it is now."""
    later = {name: 2 * value for name, value in TOTALS.items()} | {"pending": 1.0}
    found = between(TOTALS, later)
    assert found == pytest.approx(
        {
            "triton_queue_s": 0.01,
            "triton_compute_s": 0.05,
            "triton_batch_size": 4.0,
            "triton_pending": 1.0,
        }
    )
    assert set(found) == {one.name for one in TRITON_SIGNALS}


@pytest.mark.parametrize("before", [{}, TOTALS, {**TOTALS, "queue_seconds": 9.0}])
def test_nothing_is_told_where_nothing_ran_or_the_server_began_anew(before):
    assert between(before, TOTALS) == {}


def test_it_asks_the_server_and_says_what_is_wrong():
    pages = [PAGE, PAGE.replace("} 30", "} 70").replace("400000", "2000000"), "{ nonsense", None]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = pages[0]
            body = (page or "").encode()
            self.send_response(200 if page else 500)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        metrics = TritonMetrics("", "reader")
        assert metrics.signals == ()
        metrics._url = f"http://127.0.0.1:{server.server_address[1]}/metrics"
        metrics.ask()
        assert (metrics.gauges()["requests"], metrics.latest(), metrics.problem) == (40.0, {}, "")
        pages.pop(0)
        metrics.ask()
        assert metrics.latest()["triton_queue_s"] == pytest.approx(1.6 / 40)
        for _ in range(2):
            pages.pop(0)
            metrics.ask()
            assert metrics._url in metrics.problem
        assert metrics.gauges()["requests"] == 80.0
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
