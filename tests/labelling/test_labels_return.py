"""Labels come back from a queue: each counts once, beside its prediction, whatever happens."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from incident_rows import task_row
from label_desk import FAMILY, NOON, OURS, Desk
from sqlalchemy.orm import Session

from alerts.actions.queues.memory import MemoryLabelQueue
from alerts.actions.queues.protocol import NONE_OF_THESE, LabelQueueError, Poll
from monitor.labelling import ledger, taking
from monitor.labelling.sending import send
from monitor.watch.facts import look
from monitor.watch.trouble import LabelQueueFacts
from vigil.errors import ConflictError


class Dead(BaseException):
    """The process dies here."""


def test_an_annotation_becomes_a_label_beside_its_prediction(desk: Desk) -> None:
    """The ledger of predictions has gone: what was written down when it was picked is used."""
    first, _ = desk.tasks(2)
    desk.say(first, 2)
    desk.clock.advance(60)
    assert desk.ask() == 1
    (label,) = desk.labels()
    assert (label.record_id, label.label, label.prediction, label.author) == ("r1", 2, 1, "ann")
    assert (label.model, label.version, label.confidence) == ("reader", "v1", 0.75)
    assert label.cell == {"site": "harbour"}
    done, waiting = desk.rows()
    assert (done.state, done.label, done.labelled_at) == ("labelled", 2, NOON + timedelta(0, 60))
    assert (waiting.state, waiting.label) == ("queued", None)


def test_asking_again_counts_nothing_twice(desk: Desk) -> None:
    """The queue repeats what it said before."""
    (task,) = desk.tasks()
    desk.say(task, 2)
    assert [desk.ask() for _ in range(3)] == [1, 0, 0]
    assert (len(desk.labels()), len(desk.annotations())) == (1, 1)


def test_killed_while_taking_them_nothing_is_lost_or_half_done(desk: Desk, monkeypatch) -> None:
    """Annotations and the labels that follow commit together."""
    (task,) = desk.tasks()
    desk.say(task, 2)

    def die(*_: object, **__: object) -> None:
        raise Dead

    with monkeypatch.context() as patch:
        patch.setattr(taking, "take_labels", die)
        with pytest.raises(Dead):
            desk.ask()
    assert (desk.annotations(), desk.labels(), desk.rows()[0].state) == ([], [], "queued")
    assert desk.ask() == 1
    assert len(desk.labels()) == 1


def test_a_process_that_leads_no_more_takes_nothing(lone_desk: Desk) -> None:
    (task,) = lone_desk.tasks()
    lone_desk.say(task, 2)

    def fence(_: Session) -> None:
        raise ConflictError("another leads")

    with pytest.raises(ConflictError):
        lone_desk.returns.ask(FAMILY, fence=fence)
    assert lone_desk.annotations() == []


def test_several_people_decide_by_majority_and_one_vote_each(lone_desk: Desk) -> None:
    """Of three, two; who labels twice has changed their mind."""
    lone_desk.open(annotators=3)
    (task,) = lone_desk.tasks()
    for author, label in (("ann", 0), ("ann", 1), ("bob", 2)):
        lone_desk.say(task, label, author)
        lone_desk.clock.advance(1)
    assert (lone_desk.ask(), lone_desk.labels()) == (0, [])
    lone_desk.say(task, 1, "cy")
    assert lone_desk.ask() == 1
    (label,) = lone_desk.labels()
    assert (label.label, label.author) == (1, "ann, cy")
    assert len(lone_desk.annotations()) == 4


def test_of_as_many_votes_the_first_decides(lone_desk: Desk) -> None:
    lone_desk.open(annotators=2)
    (task,) = lone_desk.tasks()
    lone_desk.say(task, 2, "ann")
    lone_desk.clock.advance(1)
    lone_desk.say(task, 0, "bob")
    assert lone_desk.ask() == 1
    assert lone_desk.labels()[0].label == 2


def test_a_second_opinion_is_kept_and_the_label_stays(lone_desk: Desk) -> None:
    """It shows agreement, and what was counted is not counted anew."""
    (task,) = lone_desk.tasks()
    lone_desk.say(task, 2, "ann")
    lone_desk.ask()
    lone_desk.clock.advance(1)
    lone_desk.say(task, 0, "bob")
    assert lone_desk.ask() == 0
    assert [(one.author, one.label) for one in lone_desk.annotations()] == [("ann", 2), ("bob", 0)]
    assert lone_desk.labels()[0].label == 2


def test_none_of_these_is_no_class(lone_desk: Desk) -> None:
    """The task has its answer, and no label is stored."""
    (task,) = lone_desk.tasks()
    lone_desk.say(task, NONE_OF_THESE)
    assert lone_desk.ask() == 1
    assert lone_desk.labels() == []
    assert (lone_desk.rows()[0].state, lone_desk.rows()[0].label) == ("labelled", -1)


def test_a_gold_task_gives_no_label(lone_desk: Desk) -> None:
    """It checks people; its label is known."""
    lone_desk.label("r1", 2)
    (task,) = lone_desk.tasks(gold=True, gold_label=2)
    lone_desk.say(task, 0)
    assert lone_desk.ask() == 1
    assert (lone_desk.rows()[0].label, lone_desk.rows()[0].gold_label) == (0, 2)
    assert [one.label for one in lone_desk.labels()] == [2]


def test_a_record_that_got_another_label_meanwhile_keeps_it_and_says_so(lone_desk: Desk) -> None:
    (task,) = lone_desk.tasks()
    lone_desk.label("r1", 0)
    lone_desk.say(task, 2)
    lone_desk.ask()
    assert [one.label for one in lone_desk.labels()] == [0]
    assert lone_desk.rows()[0].problem.startswith("already labelled otherwise: expected 0")


def test_annotations_of_others_change_nothing(lone_desk: Desk) -> None:
    """Another installation's, an unknown task's, and one that is no id at all."""
    lone_desk.tasks()
    strange = [f"another-{1}", f"{OURS}-99", f"{OURS}-x", "", f"{OURS}-{'9' * 30}"]
    queue = MemoryLabelQueue()
    for name in strange:
        queue.annotate(name, 1, at=NOON)
    with lone_desk.services.sessions.begin() as session:
        taken = taking.take(session, queue._annotations, now=NOON)
    assert (taken.annotations, taken.foreign) == (0, len(strange))


class Away(MemoryLabelQueue):
    def poll(self, refs, *, since):  # type: ignore[no-untyped-def]
        raise LabelQueueError("labels.example: no answer")


def test_a_queue_that_is_away_is_asked_less_and_less_often(lone_desk: Desk) -> None:
    """And at once as usual when it is back; its trouble is told until then."""
    (task,) = lone_desk.tasks()
    lone_desk.say(task, 2)
    lone_desk.use(Away())
    dues = []
    for _ in range(12):
        assert lone_desk.returns.run_due() == 0
        due = lone_desk.state().due_at
        assert due is not None
        dues.append((due - lone_desk.clock.now()).total_seconds())
        lone_desk.clock.advance(dues[-1] - 1)
        assert lone_desk.returns.run_due() == 0
        assert lone_desk.state().failures == len(dues)
        lone_desk.clock.advance(1)
    assert dues[:3] == [120.0, 240.0, 480.0]
    assert dues[-1] == 3600.0
    assert lone_desk.state().problem == "labels.example: no answer"
    seen = look(lone_desk.services, {}).label_queues
    assert seen == {
        FAMILY: LabelQueueFacts(since=NOON, waiting=1, problem="labels.example: no answer")
    }
    lone_desk.use(lone_desk.queue)
    assert lone_desk.returns.run_due() == 1
    assert (lone_desk.state().failures, lone_desk.state().problem) == (0, "")
    assert look(lone_desk.services, {}).label_queues == {}


def test_a_forgotten_record_leaves_its_queue(desk: Desk) -> None:
    """Its name, picture and annotations go at once, the task as soon as the queue answers."""
    from monitor.forget import forget

    gone, stays = desk.tasks(2)
    desk.say(gone, 2)
    desk.ask()
    assert forget(desk.services, "r1", actor="ann").tasks == 1
    assert (desk.annotations(), desk.labels()) == ([], [])
    assert desk.rows()[0].state == "withdrawing"
    assert "r1" not in repr([vars(row) for row in desk.rows()])
    assert desk.withdrawals.run_due() == 1
    assert list(desk.queue.tasks) == [stays]
    assert [row.state for row in desk.rows()] == ["withdrawn", "queued"]
    assert desk.withdrawals.run_due() == 0


def test_who_only_asks_sends_nothing(lone_desk: Desk) -> None:
    """Two processes that look for a task at once would both make it: one leads, and sends."""
    with lone_desk.services.sessions.begin() as session:
        session.add(task_row(record_id="r9"))
    lone_desk.returns.ask(FAMILY, sending=False)
    assert lone_desk.rows()[0].state == "picked"
    lone_desk.returns.ask(FAMILY)
    assert lone_desk.rows()[0].state == "queued"


class Dated(MemoryLabelQueue):
    """Tells only what changed since it was asked before, as services do."""

    def poll(self, refs, *, since):  # type: ignore[no-untyped-def]
        found = super().poll(refs, since=None)
        return Poll(
            annotations=tuple(one for one in found.annotations if since is None or one.at > since),
            problems=tuple(self.problems),
        )

    problems: Sequence[str] = ()


def test_a_label_that_came_before_its_task_was_written_down_is_not_lost(lone_desk: Desk) -> None:
    """Killed after the queue took it: people label it, others are asked for, then it is found."""
    queue = Dated()
    lone_desk.queue = queue
    lone_desk.use(queue)
    lone_desk.tasks(1, record_id="other", batch="other")
    with lone_desk.services.sessions.begin() as session:
        row = task_row(record_id="r9", batch="late")
        session.add(row)
        session.flush()
        task = f"{OURS}-{row.id}"
        queue.put([ledger.as_task(row, OURS, None)])
    lone_desk.clock.advance(60)
    lone_desk.say(task, 2)
    lone_desk.clock.advance(3600)
    assert lone_desk.returns.ask(FAMILY, sending=False) == 0
    send(lone_desk.services, queue, "late")
    assert lone_desk.ask() == 1
    assert [(one.record_id, one.label) for one in lone_desk.rows()] == [("other", None), ("r9", 2)]


def test_an_answer_that_could_not_be_read_is_asked_for_until_it_can(lone_desk: Desk) -> None:
    """A class was renamed in the project, and named back an hour later."""
    queue = Dated()
    lone_desk.queue = queue
    lone_desk.use(queue)
    (task,) = lone_desk.tasks()
    assert lone_desk.ask() == 0
    said_at = NOON + timedelta(seconds=60)
    lone_desk.clock.advance(120)
    queue.problems = ["task 1: expected a class, found 'moggy'"]
    for _ in range(3):
        assert lone_desk.ask() == 0
        lone_desk.clock.advance(1200)
    assert lone_desk.state().problem == queue.problems[0]
    queue.problems = []
    queue.annotate(task, 2, at=said_at)
    assert lone_desk.ask() == 1
    assert lone_desk.state().problem == ""
