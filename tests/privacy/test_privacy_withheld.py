"""Names under consent and hashing together; a policy whose salt can't be used."""

from __future__ import annotations

import json

import numpy as np

from vigil.measuring.batch import make_batch
from vigil.privacy.enforce import Enforcer
from vigil.privacy.guard import Guard
from vigil.privacy.rules import Privacy

NOW = 1_700_000_000.0


def test_a_policy_holds_though_the_secret_is_too_short(monkeypatch):
    """Also in the batches after the first."""
    monkeypatch.setenv("VIGIL_SALT", "short")
    text = json.dumps({"ids": "hash", "uris": "drop", "metadata": ["site"]})
    enforcer = Enforcer(lambda: text)
    for _ in range(2):
        batch = make_batch(
            outputs=np.full((1, 2), 0.5),
            ids=["alice"],
            uris=["s3://alice"],
            metadata={"site": "a", "name": "alice"},
            time_s=NOW,
            version="v1",
            counter=np.arange(1),
            custom_ids=True,
        )
        kept, _ = enforcer.apply(batch)
        assert kept.ids[0].startswith("h~")
        assert kept.uris == ("",)
        assert kept.metadata == ({"site": "a"},)
    assert "VIGIL_SALT" in enforcer.problem
    assert "short" not in enforcer.problem.replace("shorter", "")


def test_a_label_finds_a_record_beside_one_without_consent():
    """The tap's own names stay as they are, also where another record's is withheld."""
    guard = Guard(Privacy(ids="hash", consent=("ok",)))
    found = guard.clean(
        ids=["host.boot.0", "host.boot.1"],
        chosen=False,
        arguments={},
        metadata={"ok": [True, False]},
        time_s=NOW,
        prefix="host.boot.",
    )
    (named,) = guard.label_ids(found.told[:1], time_s=NOW, prefix="host.boot.")
    assert found.ids[0] in named
    assert found.ids[1] == ""


def test_rows_that_are_made_one_by_one_are_not_mixed_up():
    guard = Guard(Privacy(metadata=("site",)))
    found = guard.clean(
        ids=[str(i) for i in range(50)],
        chosen=True,
        arguments={},
        metadata=({"site": str(i), "name": "x"} for i in range(50)),  # type: ignore[arg-type]
        time_s=NOW,
    )
    assert [row["site"] for row in found.metadata or ()] == [str(i) for i in range(50)]
