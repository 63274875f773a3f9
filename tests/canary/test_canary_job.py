"""A canary's life: what counts, what does not, and what follows from its verdict."""

from __future__ import annotations

import threading
from datetime import timedelta

import numpy as np
import pytest
from canary_fleet import (
    DEPLOYMENT,
    MODEL,
    START,
    canaries_of,
    label,
    outcomes,
    row_of,
    started,
    window,
)
from sqlalchemy import event, select

from monitor.canary import manage
from monitor.canary.state import CanaryRules
from monitor.services import Services
from monitor.store.tables import (
    ActionRow,
    AuditRow,
    CanaryRow,
    IncidentRow,
    LabelTaskRow,
    OutboxRow,
    ReleaseRow,
)
from vigil.clock import ManualClock
from vigil.errors import ConflictError, NotFoundError


def bad_traffic(services: Services, clock: ManualClock, n: int = 600, seed: int = 1) -> None:
    """Labels that show v2 to be much worse, and are old enough to be read."""
    clock.advance(10.0)
    label(services, outcomes(np.random.default_rng(seed), n, old=0.05, new=0.5), after_s=5.0)
    clock.advance(6.0)


def test_a_bad_candidate_opens_an_incident_that_may_roll_back(
    services: Services, clock: ManualClock
) -> None:
    """One incident, one rollback to the control with the canary as its counterfactual."""
    canary = started(services)
    window(services, "v2", 1.0)
    bad_traffic(services, clock)
    job = canaries_of(services)
    job.run_due()
    job.run_due()
    row = row_of(services, canary)
    assert (row.state, row.ended_at) == ("rollback", clock.now())
    assert row.evidence_rollback >= 1 / row.alpha
    with services.sessions() as session:
        incident = session.scalars(select(IncidentRow)).one()
        action = session.scalars(select(ActionRow)).one()
        what = session.scalars(select(AuditRow.what).where(AuditRow.actor == "vigil")).all()
        told = session.scalars(select(OutboxRow)).all()
    assert (incident.cause, incident.model_version) == ("model_regression", "v2")
    assert incident.labels["began_with_release"] == "yes"
    assert incident.labels["canary"] == str(canary)
    assert row.result["incident"] == incident.id
    assert incident.title.startswith("digits v2 is worse than v1: wrong 4")
    assert (action.kind, action.plan["from_version"], action.plan["to_version"]) == (
        "rollback",
        "v2",
        "v1",
    )
    assert action.decision["interlock"]["outcome"] == "better"
    assert "canary: rollback" in what
    (page,) = told
    assert "errs with probability 0.05 at most" in page.message["how_sure"]


def test_starting_announces_the_candidate_once(services: Services) -> None:
    started(services, share=0.1)
    with services.sessions() as session:
        rows = session.scalars(select(ReleaseRow).order_by(ReleaseRow.started_at)).all()
        assert [(row.version, row.previous, row.share) for row in rows] == [
            ("v1", None, 1.0),
            ("v2", "v1", 0.1),
        ]


def test_a_label_counts_once_however_often_and_by_whom_it_is_looked_at(
    services: Services, clock: ManualClock
) -> None:
    """Two services look at the same time, again and again, while labels come in."""
    canary = started(services, margin=0.0)
    window(services, "v2", 1.0)
    rng = np.random.default_rng(2)
    jobs = [canaries_of(services), canaries_of(services)]
    failed: list[BaseException] = []

    def look(job: int) -> None:
        try:
            for _ in range(5):
                jobs[job].run_due()
        except BaseException as error:
            failed.append(error)

    for batch in range(3):
        clock.advance(10.0)
        label(services, outcomes(rng, 100, old=0.1, new=0.1, first=100 * batch), after_s=5.0)
        clock.advance(6.0)
        threads = [threading.Thread(target=look, args=(job,)) for job in range(2)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    assert failed == []
    assert row_of(services, canary).units == 300


def test_a_look_that_is_cut_off_is_as_if_it_never_was(
    services: Services, clock: ManualClock
) -> None:
    """Killed before the commit: no label is lost, none counts twice, no incident is left."""
    canary = started(services)
    window(services, "v2", 1.0)
    bad_traffic(services, clock)

    def cut(_session: object) -> None:
        raise KeyboardInterrupt

    event.listen(services.engine, "commit", cut)
    with pytest.raises(KeyboardInterrupt):
        canaries_of(services).run_due()
    event.remove(services.engine, "commit", cut)
    with services.sessions() as session:
        assert session.scalars(select(IncidentRow)).all() == []
    assert (row_of(services, canary).units, row_of(services, canary).cursor) == (0, 0)
    canaries_of(services).run_due()
    assert row_of(services, canary).state == "rollback"
    with services.sessions() as session:
        assert len(session.scalars(select(IncidentRow)).all()) == 1


def test_nothing_counts_before_both_versions_answer(lone: Services, clock: ManualClock) -> None:
    """Until the candidate's first window is over, everyone meets the control: no wrong split."""
    canary = started(lone)
    clock.advance(60.0)
    label(lone, [(f"early-{k}", "v1", False) for k in range(300)], after_s=20.0)
    clock.advance(6.0)
    canaries_of(lone).run_due()
    window(lone, "v2", 30.0)
    canaries_of(lone).run_due()
    assert (row_of(lone, canary).state, row_of(lone, canary).units) == ("running", 0)
    label(lone, outcomes(np.random.default_rng(3), 50, old=0.1, new=0.1), after_s=31.0)
    clock.advance(6.0)
    canaries_of(lone).run_due()
    assert row_of(lone, canary).units == 50


def test_a_split_that_is_not_as_announced_voids_the_canary(
    lone: Services, clock: ManualClock
) -> None:
    """Half is announced and a quarter arrives: no verdict, however bad the labels look."""
    canary = started(lone, share=0.5)
    window(lone, "v2", 1.0)
    clock.advance(10.0)
    label(lone, outcomes(np.random.default_rng(4), 600, old=0.0, new=0.9, share=0.25), after_s=5.0)
    clock.advance(6.0)
    canaries_of(lone).run_due()
    row = row_of(lone, canary)
    assert row.state == "void"
    assert "should" in row.result["reason"]
    with lone.sessions() as session:
        assert session.scalars(select(IncidentRow)).all() == []


def test_a_session_is_one_unit(lone: Services, clock: ManualClock) -> None:
    """Five records of each of 40 users, in two looks: 40 units."""
    canary = started(lone, rules=CanaryRules(separator="/"), margin=0.0)
    window(lone, "v2", 1.0)
    users = outcomes(np.random.default_rng(5), 40, old=0.1, new=0.1)
    for part in ((0, 1), (2, 3, 4)):
        clock.advance(10.0)
        records = [(f"{name}/{k}", version, wrong) for name, version, wrong in users for k in part]
        label(lone, records, after_s=5.0)
        clock.advance(6.0)
        canaries_of(lone).run_due()
    assert row_of(lone, canary).units == 40


def picked(services: Services, ids: list[str], inclusion: float) -> None:
    with services.sessions.begin() as session:
        for rank, record_id in enumerate(ids):
            session.add(
                LabelTaskRow(
                    queue="q",
                    batch="b",
                    model=MODEL,
                    version="v1",
                    deployment=DEPLOYMENT,
                    slice="all traffic",
                    record_id=record_id,
                    rank=rank,
                    score=1.0,
                    reason="unsure",
                    inclusion=inclusion,
                    state="labelled",
                    picked_at=START,
                    data={},
                )
            )


def test_records_picked_for_their_score_do_not_count(lone: Services, clock: ManualClock) -> None:
    """A version that is unsure of itself is picked more often: that would blame it."""
    canary = started(lone, margin=0.0)
    window(lone, "v2", 1.0)
    clock.advance(10.0)
    units = outcomes(np.random.default_rng(6), 200, old=0.1, new=0.1)
    picked(lone, [name for name, _, _ in units[80:120]], 0.2)
    label(lone, units[:80], after_s=5.0, chosen=True)
    label(lone, units[80:], after_s=5.0)
    clock.advance(6.0)
    canaries_of(lone).run_due()
    row = row_of(lone, canary)
    assert (row.units, row.result["left_out"]) == (120, 80)


def test_unequal_chances_are_thinned_to_one(lone: Services, clock: ManualClock) -> None:
    """With 0.1 as the least: of those drawn with 0.4 about a quarter counts, of 0.1 all."""
    canary = started(lone, margin=0.0, rules=CanaryRules(least_inclusion=0.1))
    window(lone, "v2", 1.0)
    clock.advance(10.0)
    units = outcomes(np.random.default_rng(7), 600, old=0.1, new=0.1)
    picked(lone, [name for name, _, _ in units[:400]], 0.4)
    picked(lone, [name for name, _, _ in units[400:]], 0.1)
    label(lone, units, after_s=5.0)
    clock.advance(6.0)
    canaries_of(lone).run_due()
    assert 200 + 70 <= row_of(lone, canary).units <= 200 + 130


def test_a_canary_that_ended_counts_no_more(lone: Services, clock: ManualClock) -> None:
    canary = started(lone)
    window(lone, "v2", 1.0)
    with lone.sessions.begin() as session:
        manage.end(session, canary, actor="ada", at=clock.now(), note="another build")
    bad_traffic(lone, clock)
    canaries_of(lone).run_due()
    row = row_of(lone, canary)
    assert (row.state, row.units, row.result["ended_by"]) == ("ended", 0, "ada")
    with lone.sessions.begin() as session, pytest.raises(ConflictError, match="is over: ended"):
        manage.end(session, canary, actor="ada", at=clock.now())


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"share": 1.0}, "share"),
        ({"share": 0.5, "candidate": "v1", "control": "v1"}, "two versions"),
        ({"alpha": 0.0}, "alpha"),
        ({"rules": CanaryRules(least_inclusion=2.0)}, "least"),
    ],
)
def test_a_canary_that_can_not_be_is_refused(
    lone: Services, values: dict[str, object], said: str
) -> None:
    with pytest.raises(manage.CanaryError, match=said):
        started(lone, **values)
    with lone.sessions() as session:
        assert session.scalars(select(CanaryRow)).all() == []


def test_one_canary_at_a_time(lone: Services) -> None:
    started(lone)
    with pytest.raises(ConflictError, match="end it first"):
        started(lone, candidate="v3")


def test_a_canary_beside_nothing_is_refused(lone: Services) -> None:
    with pytest.raises(NotFoundError, match="what serves is not known"):
        started(lone, deployment="nowhere")


def test_labels_of_a_minute_ago_wait_until_they_are_settled(
    lone: Services, clock: ManualClock
) -> None:
    """Numbers of rows are given before they commit: what is too fresh is read the next time."""
    canary = started(lone, margin=0.0)
    window(lone, "v2", 1.0)
    clock.advance(10.0)
    label(lone, outcomes(np.random.default_rng(8), 60, old=0.1, new=0.1), after_s=5.0)
    clock.advance(2.0)
    canaries_of(lone).run_due()
    assert row_of(lone, canary).units == 0
    clock.advance(timedelta(seconds=4).total_seconds())
    canaries_of(lone).run_due()
    assert row_of(lone, canary).units == 60
