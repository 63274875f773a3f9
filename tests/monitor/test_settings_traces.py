"""Where traces are shown, as settings say it."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.settings.addresses import trace_link
from monitor.settings.load import parse_settings
from vigil.errors import ConfigError


def loaded(address: str) -> str | None:
    text = f"[service]\ntrace_url = '{address}'"
    return parse_settings(text, Path("vigil.toml")).service.trace_url


def test_an_address_has_the_traces_id_in_it() -> None:
    address = loaded("https://t.example.org/trace/{trace_id}")
    assert trace_link(address, "a/b?c") == "https://t.example.org/trace/a%2Fb%3Fc"
    assert trace_link(address, "") == ""
    assert trace_link(None, "abc") == ""


@pytest.mark.parametrize(
    "address",
    [
        "https://t.example.org/",
        "https://t.example.org/{trace_id}/{trace_id}",
        "https://{trace_id}.example.org/",
        "javascript:alert({trace_id})",
        "{trace_id}",
    ],
)
def test_an_address_that_leads_nowhere_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match=r"service\.trace_url: expected an"):
        loaded(address)
