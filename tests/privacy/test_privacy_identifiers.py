"""Identifiers leave as hashes; consent and the allow-list decide before anything else."""

from __future__ import annotations

import hashlib
import hmac

import numpy as np
import pytest

from vigil.privacy import Policy, Privacy, Salt
from vigil.privacy.guard import MOST_REFUSED_KEYS, OTHER_KEYS, Guard
from vigil.privacy.hashing import Hasher, is_hashed
from vigil.privacy.rules import PIXELS, STRICTEST, TREATMENTS
from vigil.privacy.salt import Salts
from vigil.values.objects import Objects

DAY = 86_400.0
NOW = 20_000 * DAY


def clean(guard, n=4, *, time_s=NOW, **changes):
    values = {
        "ids": [f"person-{i}" for i in range(n)],
        "chosen": True,
        "arguments": {"outputs": np.arange(2.0 * n).reshape(n, 2)},
        "metadata": None,
    }
    texts = {name: changes.pop(name, None) for name in ("uris", "trace_ids")}
    values |= changes
    return guard.clean(**{**values, "arguments": {**values["arguments"], **texts}}, time_s=time_s)


def test_replicas_that_share_a_secret_hash_alike_and_others_do_not(monkeypatch, tmp_path):
    """The formula is written out once more: HMAC-SHA256 under a salt that follows the period."""
    secret = b"a secret of the fleet, long enough"
    monkeypatch.setenv("FLEET_SALT", secret.decode())
    (tmp_path / "salt").write_bytes(secret + b"\n")
    by_env, by_file = Hasher(Salt(env="FLEET_SALT")), Hasher(Salt(file=str(tmp_path / "salt")))
    (found,) = by_env.many(["alice"], kind="id", time_s=NOW)
    salt = hmac.new(secret, b"vigil salt 20000", hashlib.sha256).digest()
    expected = hmac.new(salt, b"id\0alice", hashlib.sha256).hexdigest()[:32]
    assert found == f"h~20000~{expected}"
    assert by_file.many(["alice"], kind="id", time_s=NOW) == [found]
    assert Hasher(Salt()).many(["alice"], kind="id", time_s=NOW) != [found]
    assert by_env.many(["alice"], kind="uri", time_s=NOW) != [found]
    assert by_env.many(["alice"], kind="id", time_s=NOW + DAY) != [found]
    assert by_env.many(["", "alice"], kind="id", time_s=NOW) == ["", found]


@pytest.mark.parametrize("salt", [Salt(), Salt(env="FLEET_SALT")])
def test_a_label_finds_its_record_for_two_periods_more(monkeypatch, salt):
    """And not after that: where the process drew the secret itself, the old salt is gone."""
    monkeypatch.setenv("FLEET_SALT", "x" * 32)
    hasher = Hasher(salt)
    (record,) = hasher.many(["alice"], kind="id", time_s=NOW)
    for periods, found in ((0, True), (1, True), (2, True), (3, False)):
        (names,) = hasher.label_ids(["alice"], time_s=NOW + periods * DAY)
        assert (record in names) is found
        assert names.index(record) == periods if found else True
    assert hasher.label_ids([record], time_s=NOW) == [[record]]


def test_salts_are_forgotten():
    """A process that drew its own keeps three, whatever the clock does."""
    salts = Salts(Salt())
    first = salts.now(NOW)[1]
    for period in range(1, 4):
        salts.now(NOW + period * DAY)
    assert salts.of(20_000) is None
    assert salts.now(NOW)[1] != first
    assert len(salts._known) <= 4


@pytest.mark.parametrize(
    ("salt", "says"),
    [
        ({"env": "NO_SUCH_SALT"}, "environment NO_SUCH_SALT: expected 16 bytes"),
        ({"file": "/nowhere/salt"}, "file /nowhere/salt: No such file"),
        ({"env": "SHORT_SALT"}, "environment SHORT_SALT: expected 16 bytes"),
    ],
)
def test_a_salt_that_cannot_be_read_is_refused_without_being_told(monkeypatch, salt, says):
    monkeypatch.setenv("SHORT_SALT", "hunter2")
    with pytest.raises(ValueError, match=says) as found:
        Hasher(Salt(**salt))
    assert "hunter2" not in str(found.value)


@pytest.mark.parametrize(
    "bad",
    [
        {"pixels": "some"},
        {"uris": "burn"},
        {"ids": "drop"},
        {"without_consent": "ask"},
        {"metadata": "site"},
        {"consent": "consent"},
        {"hash_metadata": (1,)},
        {"redact": 3},
        {"picture_bytes": -1},
    ],
)
def test_choices_that_there_are_not_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        Privacy(**bad)


def test_a_salt_has_one_place_and_lives_a_minute():
    with pytest.raises(ValueError, match="both"):
        Salt(env="A", file="b")
    with pytest.raises(ValueError, match="60"):
        Salt(period_s=1.0)


def test_only_listed_metadata_leaves_in_each_of_its_forms():
    """Refused keys are counted by name, here and nowhere else, up to a bound."""
    guard = Guard(Privacy(metadata=("site",)))
    many = {f"k{i}": "secret" for i in range(100)}
    assert clean(guard, metadata={"site": ["a", "b", "c", "d"], "name": "secret"}).metadata == {
        "site": ["a", "b", "c", "d"]
    }
    rows = [{"site": "a", "name": "secret"}] * 2 + [{"name": "secret"}, {"site": "b"}]
    assert clean(guard, metadata=rows).metadata == [{"site": "a"}, {"site": "a"}, {}, {"site": "b"}]
    assert clean(guard, metadata=many).metadata == {}
    assert guard.refused["name"] == 3
    assert len(guard.refused) == MOST_REFUSED_KEYS + 1
    assert guard.refused[OTHER_KEYS] == 100 - (MOST_REFUSED_KEYS - 1)


def test_metadata_values_uris_and_traces_are_hashed_or_dropped():
    guard = Guard(Privacy(hash_metadata=("badge",), uris="hash", trace_ids="drop"))
    found = clean(
        guard,
        2,
        metadata={"badge": ["b1", "b2"], "site": "north"},
        uris=["s3://alice", None],
        trace_ids=["t1", "t2"],
    )
    assert found.metadata["site"] == "north"
    assert all(is_hashed(one) for one in found.metadata["badge"])
    assert is_hashed(found.arguments["uris"][0])
    assert (found.arguments["uris"][1], found.arguments["trace_ids"]) == ("", None)
    assert found.ids == ["person-0", "person-1"]
    rows = clean(guard, 1, metadata=[{"badge": "b1", "site": "north"}]).metadata
    assert rows == [
        {"badge": clean(guard, 1, metadata={"badge": "b1"}).metadata["badge"], "site": "north"}
    ]


def test_names_that_the_tap_makes_are_not_hashed():
    """They say nothing of the record, and labels by them need no salt."""
    guard = Guard(Privacy(ids="hash"))
    assert clean(guard, 2, ids=["s.b.0", "s.b.1"], chosen=False).ids == ["s.b.0", "s.b.1"]
    assert guard.label_ids(["s.b.0"], time_s=NOW, prefix="s.b.") == [["s.b.0"]]
    assert is_hashed(guard.label_ids(["person-1"], time_s=NOW, prefix="s.b.")[0][0])


FALSE = [False, 0, "", "no", " False ", "0", None, "n", float("nan"), "denied", "OFF"]
TRUE = [True, 1, "yes", "true", "given", 2.5]


@pytest.mark.parametrize("value", FALSE)
def test_what_is_no_consent(value):
    """A missing key is none either."""
    guard = Guard(Privacy(consent=("consent",)))
    found = clean(guard, 2, metadata=[{"consent": value}, {"other": "yes"}])
    assert found.ids == found.told == ["", ""]


@pytest.mark.parametrize("value", TRUE)
def test_what_is_consent(value):
    guard = Guard(Privacy(consent=("consent",)))
    assert clean(guard, 1, metadata=[{"consent": value}]).ids == ["person-0"]


@pytest.mark.parametrize("metadata", [None, {"consent": ["yes"]}, [{"consent": "yes"}]])
def test_consent_that_cannot_be_read_is_none(metadata):
    """Metadata that is missing or of another length says nothing of any record."""
    guard = Guard(Privacy(consent=("consent",)))
    assert clean(guard, 3, metadata=metadata).ids == [""] * 3


def test_a_record_without_consent_is_counted_only():
    """It keeps its place, and loses its id, URI and trace."""
    guard = Guard(Privacy(consent=("consent",)))
    found = clean(
        guard,
        3,
        metadata={"consent": ["yes", "no", "yes"], "site": "n"},
        uris=["u0", "u1", "u2"],
        trace_ids=["t0", "t1", "t2"],
    )
    assert found.ids == found.told == ["person-0", "", "person-2"]
    assert found.arguments["uris"] == ["u0", None, "u2"]
    assert found.arguments["trace_ids"] == ["t0", None, "t2"]
    assert (found.dropped, dict(guard.counts)) == (0, {"withheld": 1})


def test_a_record_without_consent_can_be_dropped_whole():
    """From every kind of argument; the others keep their own values."""
    n = 4
    guard = Guard(Privacy(consent=("consent",), without_consent="drop"))
    found = clean(
        guard,
        n,
        arguments={
            "outputs": np.arange(8).reshape(n, 2),
            "embeddings": {"main": np.arange(4.0)[:, None], "other": None},
            "texts": ["a", "b", "c", "d"],
            "latency_s": 0.5,
            "detections": {"boxes": np.full((3, 4), 0.5), "row": [0, 1, 3]},
            "tracks": [7, 8, 9],
        },
        metadata={"consent": [1, 0, 1, 1], "site": "n"},
        uris=["u0", "u1", "u2", "u3"],
    )
    assert found.ids == ["person-0", "person-2", "person-3"]
    assert found.told == ["person-0", "", "person-2", "person-3"]
    assert found.arguments["outputs"].tolist() == [[0, 1], [4, 5], [6, 7]]
    assert found.arguments["embeddings"]["main"].tolist() == [[0.0], [2.0], [3.0]]
    assert found.arguments["texts"] == ["a", "c", "d"]
    assert found.arguments["latency_s"] == 0.5
    boxes = found.arguments["detections"]
    assert isinstance(boxes, Objects)
    assert (boxes.row.tolist(), boxes.tracks.tolist()) == ([0, 2], [7, 9])
    assert found.metadata == {"consent": [1, 1, 1], "site": "n"}
    assert (found.arguments["uris"], found.dropped) == (["u0", "u2", "u3"], 1)
    own = clean(guard, 2, ids=["s.b.5", "s.b.6"], chosen=False, metadata=[{}, {"consent": 1}])
    assert (own.ids, own.told) == (["s.b.5"], ["", "s.b.5"])


def test_arguments_that_do_not_fit_let_nothing_out():
    guard = Guard(Privacy(consent=("consent",), without_consent="drop"))
    with pytest.raises(ValueError, match="outputs: expected 2 rows"):
        clean(guard, 2, arguments={"outputs": np.zeros((3, 2))}, metadata=[{"consent": 1}, {}])


def test_the_stricter_of_tap_and_service_wins_in_everything():
    """Property: over random pairs, the result lets out no more than either."""
    rng = np.random.default_rng(0)
    keys = ("a", "b", "c")

    def some():
        return tuple(k for k in keys if rng.random() < 0.5)

    def pick(values):
        return values[int(rng.integers(len(values)))]

    for _ in range(300):
        asked = {
            "pixels": pick(PIXELS),
            "metadata": None if rng.random() < 0.3 else some(),
            "hash_metadata": some(),
            "ids": pick(("keep", "hash")),
            "uris": pick(TREATMENTS),
            "trace_ids": pick(TREATMENTS),
            "consent": some(),
            "without_consent": pick(("count", "drop")),
        }
        own = Privacy(
            **{**asked, "pixels": pick(PIXELS), "metadata": None, "uris": pick(TREATMENTS)}
        )
        policy = Policy.from_json(Policy(**asked).to_json())
        assert policy == Policy(**asked)
        both = own.stricter(policy)
        for one in (own, policy):
            assert PIXELS.index(both.pixels) <= PIXELS.index(one.pixels)
            assert one.metadata is None or set(both.metadata) <= set(one.metadata)
            assert set(both.hash_metadata) >= set(one.hash_metadata)
            assert set(both.consent) >= set(one.consent)
            for name in ("ids", "uris", "trace_ids"):
                assert TREATMENTS.index(getattr(both, name)) >= TREATMENTS.index(getattr(one, name))
            assert both.without_consent == "drop" or one.without_consent == "count"
    assert Privacy(pixels="full").stricter(STRICTEST).pixels == "none"


@pytest.mark.parametrize("plain", [{"newer": 1}, {"pixels": "some"}, [], {"metadata": "x"}])
def test_a_policy_that_cannot_be_read_is_refused(plain):
    with pytest.raises(ValueError):
        Policy.from_json(plain)
