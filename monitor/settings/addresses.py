"""Addresses in settings: of services, of this one, of files."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

from fsspec import available_protocols
from pydantic_core import PydanticCustomError

TRACE_ID = "{trace_id}"
_HOST = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+)):(?P<port>[0-9]{1,5})")


def http_address(text: str) -> str:
    """Raises:
    PydanticCustomError: not an http(s) address with a host.
    """
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        usable = usable and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or not text.isascii() or re.search(r"[\s\x00-\x1f]", text):
        raise PydanticCustomError("http_address", "an http(s) address")
    return text


def trace_address(text: str) -> str:
    """Raises:
    PydanticCustomError: not an http(s) address with ``{trace_id}`` once, after its host.
    """
    if text.count(TRACE_ID) != 1 or TRACE_ID in text.partition("://")[2].partition("/")[0]:
        raise PydanticCustomError("trace_address", "an address with {trace_id} in it, once")
    return http_address(text)


def trace_link(template: str | None, trace_id: str) -> str:
    """Where a trace is shown; "" where it has no id, or nobody said where."""
    if not template or not trace_id:
        return ""
    return template.replace(TRACE_ID, quote(trace_id, safe=""))


def is_private_way(url: str) -> bool:
    """Whether a secret may be sent to ``url``: https, or http to this machine."""
    try:
        parts = urlsplit(http_address(url))
    except PydanticCustomError:
        return False
    host = parts.hostname or ""
    loopback = host in {"localhost", "::1"} or re.fullmatch(r"127(\.\d{1,3}){3}", host)
    return parts.scheme == "https" or bool(loopback)


def has_login(url: str) -> bool:
    """Whether a URL holds a name or a password: places are shown to people, and stored."""
    try:
        return "://" in url and "@" in urlsplit(url.rpartition("::")[2]).netloc
    except ValueError:
        return "@" in url


def listen_address(listen: str) -> tuple[str, int]:
    """Host and port of ``host:port`` or ``[v6]:port``.

    Raises:
        ValueError: not that.
    """
    found = _HOST.fullmatch(listen)
    if found is None or int(found["port"]) > 65535:
        raise ValueError(f"expected host:port, found {listen!r}")
    return found["v6"] or found["name"], int(found["port"])


def is_storable(place: str) -> bool:
    """Whether a folder or URL names something that samples can be written to."""
    scheme, separator, _ = place.partition("://")
    return place.isprintable() and (not separator or scheme in available_protocols())
