"""Addresses as a person writes them."""

from __future__ import annotations

import ssl
from urllib.parse import urlsplit

from monitor.proxy.tunnel import Upstream
from vigil.errors import ConfigError

WHERE = "command line"


def upstream_of(key: str, text: str, *, speaks_http2: bool, connect_s: float) -> Upstream:
    """``http://host:port``, ``https://host``; for gRPC also ``host:port`` or ``grpc(s)://``.

    Raises:
        ConfigError: something else.
    """
    plain, secure = ("grpc", "grpcs") if speaks_http2 else ("http", "https")
    parts = urlsplit(text if "://" in text else f"{plain}://{text}")
    good = (plain, secure, "http", "https") if speaks_http2 else (plain, secure)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in good or not parts.hostname or port == -1:
        raise ConfigError(WHERE, key, expected=f"{plain}(s)://host:port", found=text)
    if parts.path not in ("", "/") or parts.query or parts.username:
        raise ConfigError(WHERE, key, expected="host and port only", found=text)
    tls = None
    if parts.scheme in (secure, "https"):
        tls = ssl.create_default_context()
        tls.set_alpn_protocols(["h2"] if speaks_http2 else ["http/1.1"])
    return Upstream(
        host=parts.hostname,
        port=port or (443 if tls else 80),
        tls=tls,
        connect_s=connect_s,
    )


def listen_of(key: str, text: str) -> tuple[str, int]:
    """``host:port``; port 0 is a free one.

    Raises:
        ConfigError: something else.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise ConfigError(WHERE, key, expected="host:port", found=text)
    return host.strip("[]"), int(port)
