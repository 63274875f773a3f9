"""Each stage alone, and the list as a whole: what is decided, for what reason, who is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts.labels import labels_of
from alerts.pipeline.case import Case, Known
from alerts.pipeline.decision import Decision, Outcome
from alerts.pipeline.deliver import Deliver
from alerts.pipeline.inhibit import Inhibit, Rule
from alerts.pipeline.maintenance import Maintenance
from alerts.pipeline.record import Record
from alerts.pipeline.route import Routed
from alerts.pipeline.silence import Silenced
from alerts.pipeline.stages import MUTES, Pipeline, Rules
from alerts.routing.escalation import Policy, Step
from alerts.routing.tree import Match, Route
from alerts.silences.matchers import Matcher, Op
from alerts.silences.silence import Silence, SilenceKind
from alerts.types import AlertKind, IncidentState, MessageEvent, Severity
from vigil.types import Cause, Slice

CAMERA = Slice((("camera", "c3"),))
TRIGGER, UPDATE = MessageEvent.TRIGGER, MessageEvent.UPDATE
QUIETENS = (MessageEvent.ACKNOWLEDGE, MessageEvent.RESOLVE)


def case_of(incident, *others, event=TRIGGER, silences=(), **values) -> Case:
    return Case(
        at=incident.detected_at,
        labels=labels_of(incident),
        known=Known(recent=(*others, incident), silences=tuple(silences)),
        incident=incident,
        event=event,
        **values,
    )


def silence_of(incident, kind=SilenceKind.SILENCE, **labels: str) -> Silence:
    return Silence(
        id=12,
        kind=kind,
        matchers=tuple(Matcher(label=k, op=Op.EQUAL, value=v) for k, v in labels.items()),
        starts_at=incident.detected_at - timedelta(hours=1),
        ends_at=incident.detected_at + timedelta(hours=6),
        comment="known",
        created_by="ann",
        created_at=incident.detected_at,
    )


def no_data(incident, **values):
    made = {"id": 3, "kind": AlertKind.NO_DATA, "cause": Cause.NO_DATA, **values}
    return replace(incident, **made)


@pytest.mark.parametrize(
    ("stage", "kind", "reason"),
    [
        (Silenced(), SilenceKind.SILENCE, "silenced by S-12 until 2026-03-01 09:00 UTC"),
        (
            Maintenance(),
            SilenceKind.MAINTENANCE,
            "in maintenance window S-12 until 2026-03-01 09:00 UTC",
        ),
    ],
)
def test_a_silence_holds_news_back_and_says_until_when(incident, stage, kind, reason):
    silence = silence_of(incident, kind, model="meter-reader")
    for event in (TRIGGER, UPDATE):
        decision, after = stage.judge(case_of(incident, event=event, silences=[silence]))
        assert (decision.outcome, decision.reason) == (Outcome.STOP, reason)
        assert decision.until == silence.ends_at
        assert after.silence == silence
    for event in QUIETENS:
        decision, _ = stage.judge(case_of(incident, event=event, silences=[silence]))
        assert decision.outcome is Outcome.PASS
    other = silence_of(incident, kind, model="lane-reader")
    assert stage.judge(case_of(incident, silences=[other]))[0].outcome is Outcome.PASS
    freeze = silence_of(incident, SilenceKind.FREEZE, model="meter-reader")
    assert stage.judge(case_of(incident, silences=[freeze]))[0].outcome is Outcome.PASS


def test_a_model_without_data_explains_its_slices_and_nothing_else(incident):
    """Built in: while all of a model is silent, drift of its slices is not told."""
    dark, drift = no_data(incident), replace(incident, slice=CAMERA)
    decision, _ = Inhibit().judge(case_of(drift, dark))
    assert decision.outcome is Outcome.STOP
    assert decision.reason.startswith("inhibited by incident 3 while that is open")
    for other in (
        replace(dark, slice=CAMERA),
        replace(dark, model="lane-reader"),
        replace(dark, state=IncidentState.RESOLVED),
    ):
        assert Inhibit().judge(case_of(drift, other))[0].outcome is Outcome.PASS
    whole = Inhibit().judge(case_of(incident, dark))[0]
    broken = replace(drift, kind=AlertKind.HARD_FAULT)
    assert whole.outcome is Outcome.PASS
    assert Inhibit().judge(case_of(broken, dark))[0].outcome is Outcome.PASS


RULE = Rule(by={"cause": "no_data"}, mute={"cause": "model_regression"}, equal=("model",))


def test_a_rule_mutes_what_agrees_in_its_labels(incident):
    dark = no_data(incident, deployment="canary")
    stage = Inhibit([RULE])
    assert stage.judge(case_of(incident, dark))[0].outcome is Outcome.STOP
    elsewhere = replace(dark, model="lane-reader")
    assert stage.judge(case_of(incident, elsewhere))[0].outcome is Outcome.PASS
    for event in QUIETENS:
        assert stage.judge(case_of(incident, dark, event=event))[0].outcome is Outcome.PASS


def test_trouble_of_vigil_itself_explains_nothing_and_is_always_told(incident):
    rules = [
        Rule(by={"alertname": "vigil_self"}, mute={"model": "meter-reader"}, equal=()),
        Rule(by={"cause": "no_data"}, mute={"model": "meter-reader"}, equal=()),
    ]
    own = replace(incident, id=3, kind=AlertKind.VIGIL_SELF)
    stage = Inhibit(rules)
    assert stage.judge(case_of(incident, own))[0].outcome is Outcome.PASS
    assert stage.judge(case_of(own, no_data(incident)))[0].outcome is Outcome.PASS


def test_of_incidents_that_explain_one_another_in_a_circle_the_oldest_is_told(incident):
    """Never all of them silent: two in a circle, and three."""
    causes = (Cause.NO_DATA, Cause.INPUT_FAULT, Cause.DOMAIN_SHIFT)
    for size in (2, 3):
        ring = causes[:size]
        rules = [
            Rule(by={"cause": ring[k - 1].value}, mute={"cause": ring[k].value}, equal=())
            for k in range(size)
        ]
        open_ones = [replace(incident, id=5 + k, cause=ring[k]) for k in range(size)]
        found = []
        for one in open_ones:
            others = [each for each in open_ones if each.id != one.id]
            case = replace(
                case_of(one), known=Known(recent=tuple(sorted(open_ones, key=lambda i: i.id)))
            )
            assert len(others) == size - 1
            found.append(Inhibit(rules).judge(case)[0].outcome)
        assert found == [Outcome.PASS, *[Outcome.STOP] * (size - 1)]


def test_a_ticket_goes_to_no_pager_and_is_not_escalated(incident):
    route = Route(receivers=("pager", "chat"), escalation="night")
    ticket = replace(incident, kind=AlertKind.BASELINE_DRIFT)
    decision, case = Routed([route], pagers={"pager"}).judge(case_of(ticket))
    assert (case.receivers, case.escalation) == (("chat",), None)
    assert decision.reason == "to chat: route 1 matches; a ticket goes to no pager"
    _, alone = Routed([Route(receivers=("pager",))], pagers={"pager"}).judge(case_of(ticket))
    assert alone.receivers == ("console",)
    _, page = Routed([route], pagers={"pager"}).judge(case_of(incident))
    assert (page.receivers, page.escalation) == (("pager", "chat"), "night")


def test_the_people_of_every_model_that_feels_it_are_routed(incident):
    routes = [Route(match=Match(owner="lanes"), receivers=("b",)), Route(receivers=("a",))]
    also = ({**labels_of(incident), "model": "lane-reader", "owner": "lanes"},)
    _, case = Routed(routes).judge(case_of(incident, also=also))
    assert case.receivers == ("a", "b")


def test_whoever_knows_of_the_whole_is_not_told_of_a_part(incident):
    whole = replace(incident, id=3)
    case = case_of(incident, receivers=("a", "b"), whole=whole, whole_told=("a",))
    decision, after = Deliver().judge(case)
    assert [(each.receiver, each.event) for each in after.notices] == [("b", TRIGGER)]
    assert decision.reason == "a knows of it as part of incident 3"
    alone, _ = Deliver().judge(replace(case, receivers=("a",)))
    assert alone.outcome is Outcome.STOP
    mild = replace(whole, severity=Severity.WARNING)
    _, worse = Deliver().judge(replace(case, whole=mild))
    assert [each.receiver for each in worse.notices] == ["a", "b"]


def test_only_changes_are_written(incident):
    """A pass is a line where it ends a stop, and never else; so is what was decided before."""
    stop = Decision(stage="silence", outcome=Outcome.STOP, reason="silenced by S-12")
    go = Decision(stage="silence", outcome=Outcome.PASS, reason="no silence matches it")
    case = case_of(incident)

    def written(now: Decision, before: Decision | None, event=UPDATE):
        known = {"silence": before} if before else {}
        made = replace(case, decisions=(now,), before=known, event=event)
        return [str(each) for each in Record().judge(made)[1].written]

    assert written(stop, None) == ["Not told: silenced by S-12."]
    assert written(stop, stop) == []
    assert written(go, None) == []
    assert written(go, stop) == ["No longer held back: no silence matches it."]
    assert written(go, go) == []
    assert written(go, stop, event=MessageEvent.RESOLVE) == []


NIGHT = Policy(name="night", steps=(Step(after_s=300.0, receivers=("boss",)),))
PIPELINE = Pipeline(
    Rules(
        routes=(Route(receivers=("pager", "chat"), escalation="night"),),
        policies={"night": NIGHT},
        inhibitions=(RULE,),
    )
)


def test_the_list_is_in_the_order_in_which_people_think():
    names = [type(each).__name__.lower() for each in PIPELINE.stages]
    assert names == [
        "deduplicate", "correlate", "inhibit", "silenced", "maintenance", "routed", "escalate",
        "deliver", "record",
    ]  # fmt: skip
    assert MUTES == ("inhibit", "silence", "maintenance")


def test_the_whole_list_tells_and_explains(incident):
    case = PIPELINE.tell(case_of(incident))
    assert [(each.receiver, each.event) for each in case.notices] == [
        ("pager", TRIGGER),
        ("chat", TRIGGER),
    ]
    assert [str(each) for each in case.written] == [
        "To pager, chat: route 1 matches.",
        "Escalation night: to boss after 300 s without an acknowledgement.",
    ]


def test_a_stop_ends_it_but_is_written(incident):
    silence = silence_of(incident, model="meter-reader")
    case = PIPELINE.tell(case_of(incident, silences=[silence]))
    assert case.notices == ()
    assert [each.stage for each in case.decisions] == ["inhibit", "silence"]
    assert [str(each) for each in case.written] == [
        "Not told: silenced by S-12 until 2026-03-01 09:00 UTC."
    ]
    both = PIPELINE.mutes(case_of(incident, no_data(incident), silences=[silence]))
    assert [each.outcome.value for each in both.decisions] == ["stop", "stop", "pass"]


def test_someone_who_has_it_is_not_escalated(incident):
    taken = replace(incident, acknowledged_at=incident.detected_at)
    assert PIPELINE.tell(case_of(taken, event=UPDATE)).escalation is None


def test_a_decision_survives_the_database_and_a_foreign_one_is_passed_over():
    made = Decision(stage="silence", outcome=Outcome.STOP, reason="r")
    assert Decision.from_json(made.to_json()) == made
    assert Decision.from_json({"stage": "dismissed", "outcome": "not_told", "reason": "r"}) is None
    assert Decision.from_json({}) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    told=st.lists(st.sampled_from(["pager", "chat", "mail", "boss"]), unique=True),
    event=st.sampled_from(QUIETENS),
    muted=st.booleans(),
    inhibited=st.booleans(),
)
def test_a_resolve_reaches_exactly_those_who_were_told(incident, told, event, muted, inhibited):
    """Silenced or not, routed or not."""
    case = case_of(
        incident,
        *([no_data(incident)] if inhibited else []),
        event=event,
        silences=[silence_of(incident, model="meter-reader")] if muted else [],
        told=tuple(told),
    )
    after = PIPELINE.tell(case)
    assert [(each.receiver, each.event) for each in after.notices] == [(n, event) for n in told]
    assert after.written == ()
