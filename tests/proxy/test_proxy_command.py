"""``vigil proxy`` as people run it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from oip_server import OipServer
from proxy_room import Sink
from typer.testing import CliRunner

from monitor.cli.app import app

ROOT = Path(__file__).parents[2]
CALL = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3, 8, 8], "data": [0.5] * 192}]}


def test_it_runs_until_it_is_ended_and_ships_what_it_saw(server: OipServer, sink: Sink):
    """It says where it listens; when it is ended, the window that is open is sent."""
    with server.http() as url:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "monitor.cli", "proxy", "--model", "reader"),
                *("--upstream", url, "--listen", "127.0.0.1:0", "--listen-own", "127.0.0.1:0"),
                *("--tensor", "images=x:nchw", "--tensor", "outputs=scores"),
                *("--header", "X-Camera", "--key", "x-camera", "--version-name", "v{version}"),
                *("--service", sink.url),
            ],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert process.stdout is not None
        said = process.stdout.readline() + process.stdout.readline()
        ports = re.findall(r"127\.0\.0\.1:(\d+)", said)
        for _ in range(3):
            path = f"http://127.0.0.1:{ports[0]}/v2/models/reader/infer"
            httpx.post(path, json=CALL, headers={"X-Camera": "c1"}).raise_for_status()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        process.stdout.close()
    assert said.startswith(f"http: 127.0.0.1:{ports[0]} -> {url.removeprefix('http://')}\n")
    records = list(sink.records().values())
    assert [one["version"] for one in records] == ["v3"] * 3
    assert [one["metadata"] for one in records] == [{"x-camera": "c1"}] * 3


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--listen-own", "none"], "expected something to listen for"),
        (["--sidecar", "rings", "--spool", "spool"], "expected the sidecar's spool alone"),
        (["--upstream", "ftp://x"], "--upstream: expected http(s)://host:port, found ftp://x"),
        (["--upstream", "http://x:99999"], "expected http(s)://host:port"),
        (["--upstream", "http://x/v2"], "expected host and port only"),
        (["--upstream-grpc", "nats://x"], "expected grpc(s)://host:port"),
        (["--upstream", "http://x", "--listen", "9000"], "--listen: expected host:port"),
        (["--tensor", "x"], "--tensor: expected ROLE=NAME"),
        (["--task", "guessing"], "--task: expected one of classification"),
        (["--window-s", "0"], "window_s: expected"),
        (["--key", "a", "--key", "b", "--key", "c", "--key", "d", "--key", "e"], "at most four"),
    ],
)
def test_a_mistake_is_one_line(arguments, why):
    """And nothing listens."""
    given = ["proxy", "--model", "m", *arguments]
    if "--listen-own" not in arguments:
        given += ["--listen-own", "127.0.0.1:0"]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 2, done.output
    assert why in done.output
    assert "Traceback" not in done.output


def test_an_address_that_is_taken_is_said(server: OipServer):
    with server.http() as url:
        taken = url.removeprefix("http://")
        given = ["proxy", "--model", "m", "--upstream", url, "--listen", taken]
        done = CliRunner().invoke(app, [*given, "--listen-own", "none"])
    assert done.exit_code == 2
    assert "expected a free address" in done.output


def test_connections_are_not_bounded_by_what_a_shell_allows(server: OipServer, sink: Sink):
    """Each takes two descriptors; of those, most systems give a thousand to who does not ask."""
    with server.http() as url:
        command = (
            f"ulimit -Sn 64; exec {sys.executable} -m monitor.cli proxy --model reader "
            f"--upstream {url} --listen 127.0.0.1:0 --listen-own none --service {sink.url}"
        )
        process = subprocess.Popen(
            ["bash", "-c", command],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert process.stdout is not None
        port = int(re.findall(r"127\.0\.0\.1:(\d+)", process.stdout.readline())[0])
        clients = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(80)]
        for client in clients:
            client.sendall(b"GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert {client.recv(15) for client in clients} == {b"HTTP/1.1 200 OK"}
        for client in clients:
            client.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        process.stdout.close()
