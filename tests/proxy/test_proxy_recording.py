"""From a client's request to a record in a window: the whole proxy, with its recording process."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator

import grpc
import httpx
import numpy as np
import pytest
from oip_proto import message
from oip_server import JSON_LENGTH, OipServer, infer
from proxy_room import Loop, Running, Sink, a_proxy

from monitor.proxy.pairs_http2 import INFER
from monitor.proxy.proxy_metrics import HELP

X = np.random.default_rng(1).random((1, 3, 8, 8)).astype("<f4")
FEATURES, SCORES = infer(X)
PATH = "/v2/models/reader/infer"
TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture(scope="module")
def running(event_loop_thread: Loop) -> Iterator[tuple[Running, Sink]]:
    """One proxy for the tests that only add records."""
    server, sink = OipServer(), Sink()
    with (
        server.http() as http,
        server.grpc() as target,
        a_proxy(
            event_loop_thread,
            sink.url,
            http=http,
            grpc=target,
            version_name="v{version}",
            headers={"x-camera": "camera"},
            parameters=("site",),
            hardware_signals=True,
            plan={"pair_wait_s": 60.0},
            tap={"preprocessing": "resize-8", "hardware": "cpu", "schema": "2"},
        ) as proxy,
    ):
        yield proxy, sink
    sink.close()


def body(name: str, x: np.ndarray = X, **more: object) -> dict:
    one = {"name": "x", "datatype": "FP32", "shape": list(x.shape), "data": x.ravel().tolist()}
    return {"id": name, "inputs": [one], **more}


def check(record: dict) -> None:
    """That a record is what the model saw and said."""
    np.testing.assert_allclose(record["embedding"], FEATURES[0], rtol=2e-3)
    np.testing.assert_allclose(record["probabilities"], SCORES[0], rtol=2e-3)
    assert record["version"] == "v3"
    assert 0 < record["signals"]["brightness"] < 1
    assert record["build"].to_json() == {
        "preprocessing": "resize-8",
        "hardware": "cpu",
        "schema": "2",
    }


def test_calls_of_all_three_kinds_become_the_same_record(running):
    """JSON, binary tensors both ways, and gRPC; with version, trace, metadata, latency and id."""
    proxy, sink = running
    headers = {"traceparent": TRACEPARENT, "X-Camera": "c1", "X-Secret": "s"}
    parameters = {"site": "north", "other": "not on the list"}
    with httpx.Client(base_url=proxy.http, headers=headers) as client:
        client.post(PATH, json=body("json", parameters=parameters)).raise_for_status()
        plain = body("binary", parameters={**parameters, "binary_data_output": True})
        del plain["inputs"][0]["data"]
        plain["inputs"][0]["parameters"] = {"binary_data_size": X.nbytes}
        text = json.dumps(plain).encode()
        reply = client.post(PATH, content=text + X.tobytes(), headers={JSON_LENGTH: str(len(text))})
        assert JSON_LENGTH.lower() in reply.headers
    with grpc.insecure_channel(proxy.grpc) as channel:
        request = message(
            "ModelInferRequest",
            model_name="reader",
            id="grpc",
            parameters={"site": message("InferParameter", string_param="north")},
            inputs=[message("InferTensor", name="x", datatype="FP32", shape=X.shape)],
            raw_input_contents=[X.tobytes()],
        )
        metadata = [("traceparent", TRACEPARENT), ("x-camera", "c1")]
        channel.unary_unary(INFER)(request.SerializeToString(), metadata=metadata, timeout=10)
    proxy.wait_for("recorded", 3)
    proxy.stop()
    records = sink.records()
    for name in ("json", "binary", "grpc"):
        check(records[name])
        assert records[name]["trace_id"] == TRACE
        assert records[name]["metadata"] == {"camera": "c1", "site": "north"}
        assert 0 < records[name]["signals"]["latency_s"] < 5
        assert "host_memory" in records[name]["signals"]


def test_what_can_not_be_read_is_counted_and_told(event_loop_thread: Loop, server, sink: Sink):
    """Malformed answers, other models, tensors of other names: each by its own reason, on a page
    of metrics that explains them all."""
    with server.http() as http, a_proxy(event_loop_thread, sink.url, http=http) as proxy:
        with httpx.Client(base_url=proxy.http) as client:
            server.trouble = "nonsense"
            assert client.post(PATH, json=body("a")).content == b'{"outputs": 7}'
            client.post(PATH, json=body("", np.repeat(X, 2, axis=0))).raise_for_status()
            client.post("/v2/models/other/infer", json=body("c"))
        proxy.wait_for("recorded", 2)
        server.name = "other"
        httpx.post(f"{proxy.http}/v2/models/other/infer", json=body("d")).raise_for_status()
        proxy.wait_for("other_model", 1)
        page = httpx.get(f"{proxy.own}/metrics").text
        health = httpx.get(f"{proxy.own}/healthz").json()
        assert httpx.get(f"{proxy.own}/nothing").status_code == 404
        assert httpx.post(f"{proxy.own}/metrics").status_code == 405
    assert 'vigil_proxy_not_recorded_total{reason="malformed"} 1.0' in page
    assert 'vigil_proxy_not_recorded_total{reason="refused"} 1.0' in page
    assert 'vigil_proxy_recorded_total{model="reader"} 2.0' in page
    told = {line.split()[2] for line in page.splitlines() if line.startswith("# TYPE")}
    assert told <= set(HELP)
    assert health["recorder"]["problem"] == "malformed"
    # Without an id in the request, ids are the tap's own.
    assert all(name.count(".") == 2 for name in sink.records())
    assert len(sink.records()) == 2


def test_a_proxy_without_traffic_is_silent_until_it_knows_the_version(
    event_loop_thread: Loop, server, sink: Sink
):
    """From then on it is alive: windows without a record say so, also while nobody calls."""
    tap = {"version": None, "window_s": 0.2}
    with server.http() as http, a_proxy(event_loop_thread, sink.url, http=http, tap=tap) as proxy:
        time.sleep(1.0)
        assert sink.windows == {}
        httpx.post(f"{proxy.http}{PATH}", json=body("a")).raise_for_status()
        until = time.monotonic() + 10
        while sum(not one.summary.total_records for one in list(sink.windows.values())) < 2:
            assert time.monotonic() < until, sink.windows
            time.sleep(0.02)
    assert {window.model.version for window in sink.windows.values()} == {"3"}
    last = max(sink.windows.values(), key=lambda window: window.sequence)
    assert last.final


def test_a_killed_recording_process_is_started_anew(
    event_loop_thread: Loop, server, sink: Sink, monkeypatch: pytest.MonkeyPatch
):
    """Traffic goes on meanwhile; what was on its way is lost and counted, and later calls are
    recorded again."""
    monkeypatch.setattr("monitor.proxy.handover.RESTART_S", 0.01)
    with server.http() as http, a_proxy(event_loop_thread, sink.url, http=http) as proxy:
        process = proxy.proxy.handover.process
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
        until = time.monotonic() + 15
        while not proxy.proxy.handover.stats().get("counts", {}).get("recorded"):
            assert httpx.post(f"{proxy.http}{PATH}", json=body("r")).status_code == 200
            assert time.monotonic() < until, proxy.proxy.counts
            time.sleep(0.05)
        assert proxy.proxy.counts["recorder_away"] >= 1
        assert proxy.proxy.counts["recorder_restarts"] >= 1


def test_a_recording_process_that_hangs_is_started_anew(
    event_loop_thread: Loop, server, sink: Sink, monkeypatch: pytest.MonkeyPatch
):
    """It takes nothing, and what is sent to it fills up; traffic goes on meanwhile."""
    monkeypatch.setattr("monitor.proxy.handover.RESTART_S", 0.01)
    monkeypatch.setattr("monitor.proxy.handover.HUNG_S", 0.3)
    with server.http() as http, a_proxy(event_loop_thread, sink.url, http=http) as proxy:
        process = proxy.proxy.handover.process
        assert process is not None
        os.kill(process.pid, signal.SIGSTOP)
        many = body("r", np.repeat(X, 400, axis=0))
        until = time.monotonic() + 15
        with httpx.Client(base_url=proxy.http) as client:
            while not proxy.proxy.counts["recorder_restarts"]:
                assert client.post(PATH, json=many).status_code == 200
                assert time.monotonic() < until, proxy.proxy.counts
            monkeypatch.setattr("monitor.proxy.handover.HUNG_S", 30.0)
            client.post(PATH, json=body("after")).raise_for_status()
        proxy.wait_for("recorded", 1)
    assert proxy.proxy.counts["recorder_away"] >= 1


def event(half: str, name: str, data: dict, **headers: str) -> dict:
    return {
        "headers": {
            "content-type": "application/json",
            "ce-specversion": "1.0",
            "ce-id": name,
            "ce-source": "http://localhost:9081/",
            "ce-type": f"org.kubeflow.serving.inference.{half}",
            "ce-time": "2026-11-21T12:00:00Z" if half == "request" else "2026-11-21T12:00:01Z",
            "ce-inferenceservicename": "reader",
            **headers,
        },
        "json": data,
    }


def test_a_payload_loggers_events_become_records(event_loop_thread: Loop, sink: Sink):
    """Without any upstream: halves in either order, a missing half, nonsense."""
    outputs = [
        {
            "name": "features",
            "datatype": "FP32",
            "shape": [1, 4],
            "data": FEATURES.ravel().tolist(),
        },
        {"name": "scores", "datatype": "FP32", "shape": [1, 3], "data": SCORES.ravel().tolist()},
    ]
    answer = {"model_name": "reader", "model_version": "3", "outputs": outputs}
    with a_proxy(
        event_loop_thread,
        sink.url,
        version_name="v{version}",
        plan={"pair_wait_s": 0.5},
        tap={"preprocessing": "resize-8", "hardware": "cpu", "schema": "2"},
    ) as proxy:
        where = f"{proxy.own}/cloudevents"
        with httpx.Client() as client:
            sent = [
                client.post(where, **event("response", "e1", answer)),
                client.post(where, **event("request", "e1", body("first"))),
                client.post(where, **event("request", "e2", body("second"))),
                client.post(where, **event("response", "e2", answer)),
                client.post(where, **event("request", "e3", body("alone"))),
                client.post(where, content=b"no event"),
            ]
            assert [reply.status_code for reply in sent] == [202] * 6
            assert client.get(where).status_code == 405
            assert client.post(where, content=b"x" * (2**24 + 1)).status_code == 413
        proxy.wait_for("recorded", 2)
        proxy.wait_for("response_missing", 1)
        proxy.wait_for("malformed", 1)
    records = sink.records()
    assert set(records) == {"first", "second"}
    for record in records.values():
        check(record)
        assert record["signals"]["latency_s"] == 1.0


def test_a_tap_that_can_not_be_is_said_at_the_start(event_loop_thread: Loop, sink: Sink):
    from vigil.errors import ConfigError

    with (
        pytest.raises(ConfigError, match="window_s: expected"),
        a_proxy(event_loop_thread, sink.url, tap={"window_s": -1.0}),
    ):
        pass
