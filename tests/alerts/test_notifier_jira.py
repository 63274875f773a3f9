"""Jira: looked for before it is repeated, although its search lags."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from stub_receivers import MARK, ReceiverServer, Trouble
from stub_receivers.jira import DONE, OPEN, Jira
from stub_receivers.rigs import USER

from alerts.notifiers.jira import LOOK_AGAIN_S, JiraNotifier
from alerts.types import DeliveryOutcome, MessageEvent
from vigil.clock import ManualClock


@pytest.fixture
def jira():
    return Jira(USER, MARK)


@pytest.fixture
def clock(make_message):
    return ManualClock(make_message().sent_at + timedelta(seconds=5))


@pytest.fixture
def opened(jira, clock):
    server = ReceiverServer(jira)
    with server.running() as url:
        notifier = JiraNotifier(
            "tickets", url=url, user=USER, token=MARK, project="OPS", clock=clock
        )
        yield notifier, server
        notifier.close()


def test_within_a_minute_what_search_does_not_show_is_waited_for(jira, opened, clock, make_message):
    """The issue was made, its answer lost, and the index is behind: nothing is made again."""
    notifier, server = opened
    server.then(Trouble(how="drop", does=True))
    jira.is_indexed = False
    assert notifier.deliver(make_message(), thread={}).outcome is DeliveryOutcome.UNCLEAR
    early = notifier.deliver(make_message(), thread={}, unclear=True)
    assert (early.outcome, early.retry_after_s) == (DeliveryOutcome.UNCLEAR, LOOK_AGAIN_S)
    jira.is_indexed = True
    late = notifier.deliver(make_message(), thread={}, unclear=True)
    assert (late.outcome, late.receipt["issue"]) == (DeliveryOutcome.DELIVERED, "OPS-1")
    assert len(jira.issues) == 1


def test_after_a_minute_what_search_does_not_show_is_made(jira, opened, clock, make_message):
    """It was never there: a page late is better than none."""
    notifier, server = opened
    server.then(Trouble(how="drop"))
    assert notifier.deliver(make_message(), thread={}).outcome is DeliveryOutcome.UNCLEAR
    clock.advance(60)
    made = notifier.deliver(make_message(), thread={}, unclear=True)
    assert (made.receipt["sent"], list(jira.issues)) == ("a new issue", ["OPS-1"])


def test_news_of_an_incident_whose_trigger_died_finds_its_issue(jira, opened, make_message):
    """Without a receipt it looks first, and then still says what is new."""
    notifier, _ = opened
    notifier.deliver(make_message(), thread={})
    update = make_message(MessageEvent.UPDATE, note="Still firing.")
    assert notifier.deliver(update, thread={}).receipt["sent"] == "a comment"
    assert [len(each["comments"]) for each in jira.issues.values()] == [1]


def test_a_resolve_ends_the_issue_and_a_return_opens_it(jira, opened, make_message):
    notifier, _ = opened
    thread = notifier.deliver(make_message(), thread={}).receipt
    over = notifier.deliver(make_message(MessageEvent.RESOLVE), thread=thread)
    assert (over.receipt["moved"], jira.issues["OPS-1"]["status"]) == ("to Done", DONE)
    back = notifier.deliver(make_message(id="again"), thread=over.receipt)
    assert (back.receipt["moved"], jira.issues["OPS-1"]["status"]) == ("to To Do", OPEN)
    assert len(jira.issues) == 1


def test_a_workflow_without_such_a_status_is_told_not_fatal(jira, opened, make_message):
    """The comment says that it is over; where to the issue goes is then a person's to say."""
    notifier, _ = opened
    notifier._done = "Closed"
    thread = notifier.deliver(make_message(), thread={}).receipt
    over = notifier.deliver(make_message(MessageEvent.RESOLVE), thread=thread)
    assert over.outcome is DeliveryOutcome.DELIVERED
    assert over.receipt["moved"].startswith("no: nothing leads to Closed")
    assert len(jira.issues["OPS-1"]["comments"]) == 1


def test_an_issue_that_someone_deleted_is_made_anew(jira, opened, make_message):
    notifier, _ = opened
    thread = notifier.deliver(make_message(), thread={}).receipt
    jira.issues = {"OPS-9": replace_status(jira.issues.pop("OPS-1"))}
    update = make_message(MessageEvent.UPDATE, note="Still firing.")
    told = notifier.deliver(update, thread=thread)
    assert told.receipt["sent"] == "a new issue: the other is gone"
    assert replace(update).thread_key in jira.issues[told.receipt["issue"]]["labels"]


def replace_status(issue):
    return {**issue, "labels": ["other"]}
