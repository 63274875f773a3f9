"""Slices of different keys compare by the cells that they have."""

from monitor.checks.terrain import Terrain
from vigil.types import WHOLE, Slice

TERRAIN = Terrain(("site", "camera"), (("harbour", "h-1"), ("harbour", "h-2"), ("north", "n-1")))


def a(**pairs: str) -> Slice:
    return Slice(tuple(pairs.items()))


def test_a_camera_is_within_the_site_that_has_it():
    """By its cells, though the names say nothing of it."""
    assert TERRAIN.within(a(camera="h-1"), a(site="harbour"))
    assert not TERRAIN.within(a(camera="n-1"), a(site="harbour"))
    assert not TERRAIN.within(a(site="harbour"), a(camera="h-1"))


def test_everything_is_within_all_traffic():
    """Also a slice without any cell."""
    assert TERRAIN.within(a(camera="gone"), WHOLE)
    assert not TERRAIN.within(WHOLE, a(site="harbour"))


def test_a_slice_without_cells_is_within_nothing_but_its_names_say_so():
    """Nothing was seen of it, so nothing lies elsewhere; that is no reason to join."""
    assert not TERRAIN.within(a(camera="gone"), a(site="harbour"))
    assert Terrain().within(a(site="harbour", camera="h-1"), a(site="harbour"))
    assert not Terrain().within(a(camera="h-1"), a(site="harbour"))
