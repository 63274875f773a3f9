"""Naming slices of one and two fields among two, three and four metadata keys, with noisy cells."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest

from detectors.attribution import name_slice
from vigil.types import WHOLE, Slice

GRIDS = {
    2: (("site", "lens"), list(product("abcd", "12345"))),
    3: (("site", "lens", "hour"), list(product("abcd", "AB", "123"))),
    4: (("site", "lens", "hour", "sky"), list(product("abc", "AB", "123", "xy"))),
}
TOLERANCE = 0.15


def candidates(keys, cells, fields):
    """Every slice of so many fields."""
    for positions in combinations(range(len(keys)), fields):
        for values in sorted({tuple(cell[at] for at in positions) for cell in cells}):
            yield Slice(tuple((keys[at], v) for at, v in zip(positions, values, strict=True)))


def inside(cell, keys, piece):
    return all(cell[keys.index(key)] == value for key, value in piece.pairs)


def exact(keys, cells, piece, weight=lambda _: 1.0):
    return {cell: (inside(cell, keys, piece), weight(cell)) for cell in cells}


@pytest.mark.parametrize("k", [2, 3, 4])
@pytest.mark.parametrize("fields", [0, 1, 2])
def test_every_slice_of_up_to_two_fields_is_named(k, fields):
    """Without noise the slice that drifts is found, whatever the traffic of its cells."""
    keys, cells = GRIDS[k]
    rng = np.random.default_rng(k)
    for piece in candidates(keys, cells, fields):
        assert name_slice(exact(keys, cells, piece, lambda _: rng.lognormal()), keys) == piece


def test_a_conjunction_is_found_though_leaf_cells_have_three_keys():
    """``site=north & lens=B``, on all hours."""
    keys = ("site", "hour", "lens")
    cells = list(product(("north", "south"), ("day", "night", "dusk"), "ABC"))
    named = Slice((("site", "north"), ("lens", "B")))
    assert name_slice(exact(keys, cells, named), keys) == named
    assert str(named) == "site=north & lens=B"


def test_one_leaf_of_three_keys_is_named_where_no_pair_explains_it():
    """One hour of one lens on one site: each pair around it is mostly healthy."""
    keys, cells = ("site", "lens", "hour"), list(product("abcd", "ABC", "123"))
    leaf = Slice((("site", "b"), ("lens", "A"), ("hour", "2")))
    assert name_slice(exact(keys, cells, leaf), keys) == leaf


def test_a_pair_of_which_half_drifts_explains_it():
    """Of two cells that make a pair one drifts: the pair, as the coarser of two good answers."""
    keys = ("site", "lens", "sky")
    cells = list(product("abc", "AB", "xy"))
    leaf = Slice((("site", "b"), ("lens", "A"), ("sky", "x")))
    assert name_slice(exact(keys, cells, leaf), keys) == Slice((("site", "b"), ("lens", "A")))


def test_of_equal_pairs_the_earlier_keys_are_named():
    """Where the lens follows from the site and the camera from both, one field is enough."""
    keys = ("site", "lens", "camera")
    cells = [(f"s{i // 3}", f"l{i // 3}", f"c{i}") for i in range(9)]
    table = {cell: (cell[0] == "s1", 1.0) for cell in cells}
    assert name_slice(table, keys) == Slice((("site", "s1"),))
    table = {cell: (cell[2] == "c4", 1.0) for cell in cells}
    assert name_slice(table, keys) == Slice((("camera", "c4"),))


def test_two_faults_at_once_name_one_slice_that_covers_them():
    """A site and a lens elsewhere: the better covered of the two, never something healthy."""
    keys, cells = GRIDS[3]
    table = {cell: (cell[0] == "a" or cell[:2] == ("c", "B"), 1.0) for cell in cells}
    assert name_slice(table, keys) == Slice((("site", "a"),))


def noisy(rng, cells, keys, piece, records):
    """Leaf effects as a KS distance sees them, judged as the service judges them: beyond tolerance,
    surely not nothing, and at least half of the largest."""
    weight = rng.lognormal(0, 0.5, len(cells))
    n = np.maximum(records * weight / weight.mean(), 3)
    truth = np.array([inside(cell, keys, piece) for cell in cells]) * rng.uniform(
        0.35, 0.65, len(cells)
    )
    chance = 0.87 / np.sqrt(n) + 0.26 / np.sqrt(n) * rng.normal(size=len(cells))
    found = np.clip(
        np.maximum(truth + 0.5 / np.sqrt(n) * rng.normal(size=len(cells)), chance), 0, 1
    )
    likely = (found > TOLERANCE) & (found > np.sqrt(np.log(40) / 2 / n))
    size = np.where(likely, found / TOLERANCE, 0.0)
    drifts = likely & (size >= 0.5 * size.max())
    usual = size[drifts].mean() if drifts.any() else 0.0
    weights = n * np.where(drifts, size, usual)
    return {
        cell: (bool(flag), float(w)) for cell, flag, w in zip(cells, drifts, weights, strict=True)
    }


RATES = {
    # (keys, fields): share of 1000 draws in which exactly the true slice is named, with some 60 and
    # 20 records a leaf cell.
    (2, 0): (1.00, 0.98), (2, 1): (0.99, 0.91), (2, 2): (0.98, 0.76),
    (3, 0): (1.00, 0.97), (3, 1): (0.98, 0.87), (3, 2): (0.98, 0.86),
    (4, 0): (1.00, 0.97), (4, 1): (0.99, 0.90), (4, 2): (0.99, 0.94),
}  # fmt: skip


@pytest.mark.parametrize(("k", "fields"), RATES)
@pytest.mark.parametrize(("column", "records"), [(0, 60), (1, 20)])
def test_noisy_leaf_cells_still_name_the_slice(k, fields, column, records):
    """The exact slice, about as often as measured (three standard errors of 200 draws below)."""
    keys, cells = GRIDS[k]
    rng = np.random.default_rng([k, fields, records])
    pool = list(candidates(keys, cells, fields))
    hits = 0
    for _ in range(200):
        piece = pool[rng.integers(len(pool))]
        hits += name_slice(noisy(rng, cells, keys, piece, records), keys) == piece
    rate = RATES[k, fields][column]
    assert hits / 200 >= rate - 3 * np.sqrt(max(rate * (1 - rate), 0.01) / 200)


def test_nothing_that_drifts_and_everything_that_does_is_the_whole():
    """Also for no cells, and for cells of no keys."""
    keys, cells = GRIDS[4]
    assert name_slice(dict.fromkeys(cells, (False, 1.0)), keys) == WHOLE
    assert name_slice(dict.fromkeys(cells, (True, 1.0)), keys) == WHOLE
    assert name_slice({}, keys) == WHOLE
    assert name_slice({(): (True, 1.0)}, ()) == WHOLE
