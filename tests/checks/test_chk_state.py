"""The engine's state: read only where it is newer, and never written over someone else's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, update

from detectors.evidence.engine import FleetEvidence
from monitor.checks import state
from monitor.store.database import Sessions, open_engine
from monitor.store.tables import StateRow
from vigil.errors import ConflictError, FormatVersionError
from vigil.windows import wire

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture
def sessions(database_url: str):
    engine = open_engine(database_url)
    yield Sessions(engine)
    engine.dispose()


def load(session, known=None):
    return state.load(session, threshold=100.0, min_history=20, known=known)


def write(sessions: Sessions, at: datetime) -> state.Revision:
    with sessions.begin() as session:
        loaded = load(session)
        assert loaded is not None
        return state.save(session, loaded[0], over=loaded[1], tick_id=None, at=at)


def test_what_was_saved_is_loaded_once(sessions: Sessions):
    revision = write(sessions, NOON)
    with sessions.begin() as session:
        assert load(session, revision) is None
        loaded = load(session)
    assert loaded is not None
    assert loaded[1] == revision


def test_a_state_that_another_process_wrote_first_is_not_overwritten(sessions: Sessions):
    """Two processes find an empty database: there is no row yet that a lock could hold."""
    engine = FleetEvidence(100.0, 20)
    first = write(sessions, NOON)
    with pytest.raises(ConflictError, match="another process"), sessions.begin() as session:
        state.save(session, engine, over=state.NONE, tick_id=7, at=NOON)
    second = write(sessions, NOON + timedelta(seconds=1))
    with pytest.raises(ConflictError, match="another process"), sessions.begin() as session:
        state.save(session, engine, over=first, tick_id=7, at=NOON)
    with sessions.begin() as session:
        assert load(session, second) is None


def test_the_blob_is_not_fetched_to_see_that_nothing_changed(sessions: Sessions):
    revision = write(sessions, NOON)
    said: list[str] = []
    event.listen(sessions.engine, "before_cursor_execute", lambda *args: said.append(str(args[2])))
    with sessions.begin() as session:
        assert load(session, revision) is None
    assert [statement for statement in said if "blob" in statement] == []


def test_a_state_of_an_older_form_is_replaced_and_of_a_newer_one_refused(sessions: Sessions):
    """After an upgrade streams learn anew; after a downgrade nothing is overwritten."""
    write(sessions, NOON)
    for form, readable in ((1, True), (99, False)):
        header, arrays = wire.unpack(FleetEvidence(100.0, 20).to_bytes())
        blob = wire.pack({**header, "format": form}, arrays)
        with sessions.begin() as session:
            session.execute(update(StateRow).values(blob=blob))
        with sessions.begin() as session:
            if readable:
                loaded = load(session)
                assert loaded is not None
                assert len(loaded[0]) == 0
            else:
                with pytest.raises(FormatVersionError):
                    load(session)
