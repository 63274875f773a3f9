"""A server that is spoken to over TLS."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest
from oip_server import OipServer
from proxy_room import Watched

from monitor.proxy.addresses import upstream_of

CALL = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3, 8, 8], "data": [0.5] * 192}]}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate ``c`` of 127.0.0.1 and its key ``k``."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "1", "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "k", "-out", "c"),
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder


@pytest.mark.parametrize("is_trusted", [True, False])
def test_a_server_behind_tls_is_reached_where_its_certificate_holds(
    server: OipServer, watched, certificate: Path, is_trusted: bool
):
    """And is away, as clients see it, where it does not."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate / "c", certificate / "k")
    with server.http(tls) as url:
        upstream = upstream_of(
            "--upstream", url.replace("http:", "https:"), speaks_http2=False, connect_s=5.0
        )
        assert upstream.tls is not None
        if is_trusted:
            upstream.tls.load_verify_locations(certificate / "c")
        through: Watched = watched(upstream)
        reply = httpx.post(f"{through.url}/v2/models/reader/infer", json=CALL)
        assert reply.status_code == (200 if is_trusted else 502)
        if is_trusted:
            through.wait("calls", 1)
            assert len(through.exchanges) == 1
        else:
            assert "CERTIFICATE_VERIFY_FAILED" in reply.text
            assert through.counts["upstream_away"] == 1


def test_an_address_says_whether_it_is_tls_and_has_its_usual_port():
    plain = upstream_of("u", "http://h", speaks_http2=False, connect_s=1.0)
    secure = upstream_of("u", "https://h", speaks_http2=False, connect_s=1.0)
    grpc = upstream_of("u", "h:8001", speaks_http2=True, connect_s=1.0)
    assert [(one.port, one.tls is None) for one in (plain, secure, grpc)] == [
        (80, True),
        (443, False),
        (8001, True),
    ]
    assert upstream_of("u", "grpcs://h:1", speaks_http2=True, connect_s=1.0).tls is not None
