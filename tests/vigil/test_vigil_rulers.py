"""A version always has a ruler: its baseline's as soon as there is one, else a generic one."""

from __future__ import annotations

import pytest
from vigil_records import a_ruler
from vigil_service import answers

from vigil.errors import TransportError
from vigil.pipeline.rulers import LATER_S, RulerCache
from vigil.shipping.transport import HttpTransport, MemoryTransport


def a_cache(transport, directory=None) -> RulerCache:
    return RulerCache(
        model="reader", keys=("site",), transport=transport, directory=directory, soon_s=5.0
    )


def test_the_baselines_ruler_is_fetched_over_http(service):
    ruler = a_ruler("v 1/é")
    service.rulers["/v1/rulers/reader/v%201%2F%C3%A9"] = ruler.to_bytes()
    assert a_cache(HttpTransport(service.url)).get("v 1/é", 0.0).id == ruler.id


def test_without_a_baseline_the_ruler_is_generic_until_one_appears():
    transport = MemoryTransport()
    cache = a_cache(transport)
    cache.classes = 7
    generic = cache.get("v1", 0.0)
    assert (generic.is_generic, generic.layout.keys, generic.layout.classes) == (True, ("site",), 7)
    transport.rulers["reader", "v1"] = a_ruler().to_bytes()
    cache.refresh(4.9)
    assert cache.get("v1", 4.9).is_generic
    cache.refresh(5.0)
    assert cache.get("v1", 5.0).id == a_ruler().id


def test_a_new_baseline_of_the_same_version_is_noticed_later():
    transport = MemoryTransport({("reader", "v1"): a_ruler().to_bytes()})
    cache = a_cache(transport)
    cache.get("v1", 0.0)
    transport.rulers["reader", "v1"] = a_ruler(seed=5).to_bytes()
    cache.refresh(LATER_S)
    assert cache.get("v1", LATER_S).id == a_ruler(seed=5).id


def test_the_ruler_on_disk_serves_while_the_service_is_away(tmp_path):
    a_cache(MemoryTransport({("reader", "v1"): a_ruler().to_bytes()}), tmp_path).get("v1", 0.0)
    away = MemoryTransport()
    away.failures = [TransportError("away")] * 3
    cache = a_cache(away, tmp_path)
    assert cache.get("v1", 0.0).id == a_ruler().id
    cache.refresh(0.0)
    assert cache.counts == {"unreachable": 1}
    assert cache.get("v1", 1.0).id == a_ruler().id


@pytest.mark.parametrize(
    "blob",
    [
        b"not a ruler",
        a_ruler().to_bytes()[:-3],
        a_ruler(model="another").to_bytes(),
        a_ruler("v2").to_bytes(),
    ],
    ids=["foreign", "cut short", "another model", "another version"],
)
def test_a_ruler_that_can_not_be_used_is_counted_and_not_used(blob, tmp_path):
    cache = a_cache(MemoryTransport({("reader", "v1"): blob}), tmp_path)
    assert cache.get("v1", 0.0).is_generic
    assert cache.counts == {"unusable": 1}
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_on_disk_is_fetched_again(tmp_path):
    transport = MemoryTransport({("reader", "v1"): a_ruler().to_bytes()})
    a_cache(transport, tmp_path).get("v1", 0.0)
    (path,) = tmp_path.iterdir()
    path.write_bytes(b"rubbish")
    assert a_cache(transport, tmp_path).get("v1", 0.0).id == a_ruler().id


def test_a_busy_service_is_asked_again_when_it_says(service):
    service.faults = [answers(503, Retry_After="40")]
    service.rulers["/v1/rulers/reader/v1"] = a_ruler().to_bytes()
    cache = a_cache(HttpTransport(service.url))
    assert cache.get("v1", 0.0).is_generic
    cache.refresh(39.0)
    assert cache.get("v1", 39.0).is_generic
    cache.refresh(40.0)
    assert not cache.get("v1", 40.0).is_generic
