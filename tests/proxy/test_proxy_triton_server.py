"""Triton's own server behind the proxy, asked by its own client: HTTP with binary data, gRPC."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from heavy_servers import home, started
from oip_server import infer
from proxy_room import Loop, Sink, a_proxy

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]

SERVER = """
import sys
import numpy as np
from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

http, grpc, metrics = map(int, sys.argv[1:])


@batch
def infer(x):
    features = x.reshape(len(x), 3, -1).mean(axis=2)
    features = np.concatenate([features, features.max(axis=1, keepdims=True)], axis=1)
    raw = np.exp(features[:, :3])
    scores = raw / raw.sum(axis=1, keepdims=True)
    return {"features": features.astype(np.float32), "scores": scores.astype(np.float32)}


config = TritonConfig(
    http_address="127.0.0.1", http_port=http, grpc_address="127.0.0.1", grpc_port=grpc,
    metrics_port=metrics,
)
with Triton(config=config) as triton:
    triton.bind(
        model_name="reader",
        infer_func=infer,
        inputs=[Tensor(name="x", dtype=np.float32, shape=(3, 8, 8))],
        outputs=[Tensor(name="features", dtype=np.float32, shape=(4,)),
                 Tensor(name="scores", dtype=np.float32, shape=(3,))],
        config=ModelConfig(max_batch_size=8),
    )
    triton.serve()
"""
CLIENT = """
import json, sys
import numpy as np

kind, address, binary_in, binary_out, compression = sys.argv[1:]
x = np.random.default_rng(5).random((2, 3, 8, 8)).astype(np.float32)
if kind == "http":
    import tritonclient.http as api
    more = {"request_compression_algorithm": compression or None,
            "response_compression_algorithm": compression or None}
    flags = {"binary_data": binary_in == "1"}
    wanted = {"binary_data": binary_out == "1"}
else:
    import tritonclient.grpc as api
    more, flags, wanted = {"compression_algorithm": compression or None}, {}, {}
client = api.InferenceServerClient(address)
assert client.is_server_ready() and client.is_model_ready("reader")
assert "reader" in str(client.get_model_metadata("reader"))
tensor = api.InferInput("x", list(x.shape), "FP32")
tensor.set_data_from_numpy(x, **flags)
outputs = [api.InferRequestedOutput(name, **wanted) for name in ("features", "scores")]
name = "-".join(sys.argv[1:2] + sys.argv[3:])
result = client.infer("reader", [tensor], outputs=outputs, request_id=name,
                      headers={"x-camera": "c1"}, parameters={"site": "north"}, **more)
print(json.dumps({"id": name, "scores": result.as_numpy("scores").tolist()}))
"""
X = np.random.default_rng(5).random((2, 3, 8, 8)).astype(np.float32)
FEATURES, SCORES = infer(X)


def python() -> Path:
    """Of the environment that has the server and its client."""
    return home("nvidia-pytriton") / "bin" / "python"


def free_ports(count: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, str]]:
    """Its addresses: HTTP, gRPC, metrics."""
    folder = tmp_path_factory.mktemp("triton")
    grpc, metrics = free_ports(2)

    # The server embeds Python: that of its environment, not the system's.
    where = "import sysconfig; print(sysconfig.get_config_var('LIBDIR'))"
    said = subprocess.run((python(), "-c", where), check=True, capture_output=True, text=True)
    environment = {"LD_LIBRARY_PATH": said.stdout.strip()}

    def command(port: str) -> list:
        return [python(), "-c", SERVER, port, str(grpc), str(metrics)]

    ready = "/v2/models/reader/ready"
    with started(folder, command, health=ready, environment=environment) as url:
        yield url, f"127.0.0.1:{grpc}", f"http://127.0.0.1:{metrics}/metrics"


WAYS = [
    ("http", "0", "0", ""),
    ("http", "1", "1", ""),
    ("http", "1", "0", "gzip"),
    ("http", "0", "1", "deflate"),
    ("grpc", "1", "1", ""),
    ("grpc", "1", "1", "gzip"),
]


def test_its_clients_calls_become_records(
    server, event_loop_thread: Loop, sink: Sink, monkeypatch: pytest.MonkeyPatch
):
    """Every way of writing tensors, compressed or not; and its own metrics are folded in."""
    monkeypatch.setattr("monitor.proxy.triton_metrics.EVERY_S", 0.2)
    http, grpc, metrics = server
    with a_proxy(
        event_loop_thread,
        sink.url,
        http=http,
        grpc=grpc,
        headers={"x-camera": "camera"},
        parameters=("site",),
        plan={"triton_metrics": metrics},
    ) as proxy:
        for kind, *how in WAYS:
            address = proxy.grpc if kind == "grpc" else proxy.http.removeprefix("http://")
            done = subprocess.run(
                (python(), "-c", CLIENT, kind, address, *how),
                check=False,
                capture_output=True,
                text=True,
                timeout=120,
            )
            assert done.returncode == 0, done.stderr
            np.testing.assert_allclose(json.loads(done.stdout)["scores"], SCORES, rtol=1e-5)
        proxy.wait_for("recorded", 2 * len(WAYS))
        until = time.monotonic() + 20
        while "vigil_proxy_triton_requests_total" not in (
            page := httpx.get(f"{proxy.own}/metrics").text
        ):
            assert time.monotonic() < until, proxy.proxy.health()
            time.sleep(0.2)
    assert 'vigil_proxy_triton_requests_total{model="reader",outcome="success"}' in page
    assert "vigil_proxy_triton_queue_seconds_total" in page
    records = sink.records()
    expected = {f"{kind}-{'-'.join(how)}.{row}" for kind, *how in WAYS for row in (0, 1)}
    assert set(records) == expected
    for name, record in records.items():
        row = int(name[-1])
        np.testing.assert_allclose(record["embedding"], FEATURES[row], rtol=2e-3)
        np.testing.assert_allclose(record["probabilities"], SCORES[row], rtol=2e-3)
        assert record["version"] == "1"
        assert record["metadata"] == {"camera": "c1", "site": "north"}
        assert 0 < record["signals"]["brightness"] < 1
