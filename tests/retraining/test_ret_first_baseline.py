"""A retrained version gets a baseline: from the evaluation part replayed, else from its traffic."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
import small_fleet as fleet
from incident_rows import incident_row
from sqlalchemy import select

from alerts.actions.replay import Replayed, ReplayError
from monitor.retraining import baseline_records, first_baseline, orders
from monitor.retraining.first_baseline import FirstBaselines
from monitor.retraining.job import Retrainings
from monitor.services import Services
from monitor.store import baselines, releases
from monitor.store.tables import AuditRow, BaselineRow, LabelRow
from vigil.clock import ManualClock
from vigil.errors import ConflictError

FAMILY = (fleet.MODEL, fleet.DEPLOYMENT)
RELEASED = fleet.at(fleet.FIRST)


class Model:
    """What runs images through the new version; ``trouble`` is why it can't."""

    def __init__(self, trouble: str = "") -> None:
        self.trouble = trouble
        self.asked: list[str] = []

    def replay(self, version: str, images: np.ndarray) -> Replayed:
        if self.trouble:
            raise ReplayError(self.trouble)
        self.asked.append(version)
        x = fleet.embedding_of(images)
        made = fleet.world().infer(x).astype(np.float32)
        return Replayed(version=version, probabilities=made, embeddings=x.astype(np.float32))


class Desk:
    """A service in which retraining 1 made v3, which is released."""

    def __init__(self, url: str) -> None:
        self.clock = ManualClock(fleet.NOON)
        self.recorder = fleet.recorder_of("host-1")
        self.services: Services = fleet.opened(url, self.clock)

    def serve(self, version: str, first: int, windows: int = 25, *, error: float = 0.0) -> None:
        """Windows with samples, and a label of every third sampled record."""
        made = []
        for tick in range(first, first + windows):
            scene = replace(fleet.HEALTHY, version=version, per_camera=20)
            made += self.recorder.add(fleet.world().batch(tick, scene)[0])
        made += self.recorder.seal(float(first + windows))
        blobs = [one.to_bytes() for one in made if one.summary.total_records]
        assert {one.status for one in self.services.ingest.windows(blobs)} == {"accepted"}
        with self.services.sessions.begin() as session:
            for window in made:
                sample = window.sample
                for i in range(0, len(sample), 3):
                    wrong = int(i < error * len(sample))
                    session.add(
                        LabelRow(
                            record_id=sample.ids[i],
                            model=fleet.MODEL,
                            version=version,
                            deployment=fleet.DEPLOYMENT,
                            cell=dict(sample.metadata[i]),
                            prediction=int(sample.prediction[i]),
                            confidence=0.9,
                            label=(int(sample.prediction[i]) + wrong) % fleet.CLASSES,
                            predicted_at=fleet.at(int(sample.time_s[i])),
                            arrived_at=self.clock.now(),
                        )
                    )

    def retrained(self) -> None:
        number = orders.propose(
            self.services.sessions,
            self.services.settings,
            self.services.samples,
            model=fleet.MODEL,
            deployment=fleet.DEPLOYMENT,
            reason="a new site",
            actor="ann",
            at=fleet.NOON,
        )
        with self.services.sessions.begin() as session:
            orders.request(session, number, actor="ann", at=fleet.NOON)
            orders.name_version(session, number, version="v3", actor="ci", at=fleet.NOON)
            releases.announce(
                session,
                model=fleet.MODEL,
                deployment=fleet.DEPLOYMENT,
                version="v3",
                actor="ci",
                at=self.clock.now(),
            )
        self.clock.advance(60)
        Retrainings(self.services, {}).run_due()

    def look(self, model: Model | None = None) -> dict[str, Any]:
        """One look of a service that was just started; what is known then."""
        FirstBaselines(self.services, {} if model is None else {FAMILY: model}).run_due()
        with self.services.sessions() as session:
            return first_baseline.about(orders.get(session, 1))


@pytest.fixture
def desk(sqlite_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(baseline_records, "LEAST_EVALUATED", 20)
    made = Desk(sqlite_url)
    made.serve("v1", fleet.FIRST - 40)
    made.retrained()
    yield made
    made.services.close()


def stored(desk: Desk) -> list[BaselineRow]:
    with desk.services.sessions() as session:
        return list(session.scalars(select(BaselineRow).order_by(BaselineRow.id)))


def test_the_evaluation_part_replayed_judges_at_once(desk: Desk) -> None:
    """What no training saw; image signals are those that the tap measured in production."""
    model = Model()
    found = desk.look(model)
    assert found.get("what") == "the dataset's evaluation part, replayed", found
    assert found["state"] == "active"
    assert set(model.asked) == {"v3"}
    (row,) = stored(desk)
    assert (row.version, row.state, row.author) == ("v3", "active", "vigil")
    with desk.services.sessions() as session:
        built = baselines.active(session, fleet.MODEL, "v3")
        kept = orders.dataset_of(session, orders.get(session, 1))
    assert built is not None
    assert kept is not None
    assert built.records == kept.about["splits"]["holdout"] == found["labels"]
    names = built.sample.signal_names
    sharp = built.sample.signals[:, names.index("sharpness")]
    assert 1.0 < float(np.nanmean(sharp)) < 2.0  # the fleet's: no 4 x 4 thumbnail has it
    assert np.isnan(built.sample.signals[:, names.index("latency_s")]).all()
    assert desk.look(model) == found  # once


def test_from_its_own_traffic_it_is_provisional_until_a_person_accepts_it(desk: Desk) -> None:
    desk.serve("v3", fleet.FIRST + 1)
    found = desk.look()
    assert found["state"] == "provisional"
    assert found["what"].startswith("production since 2026-")
    assert found["records"] >= 500
    assert found["labels"] > 200
    with desk.services.sessions() as session:
        assert baselines.active(session, fleet.MODEL, "v3") is None
    with desk.services.sessions.begin() as session:
        sha256 = first_baseline.accept(session, 1, actor="ann", at=desk.clock.now())
    with desk.services.sessions() as session:
        built = baselines.active(session, fleet.MODEL, "v3")
        assert built is not None
        assert built.sha256 == sha256 == found["sha256"]
        said = session.scalars(select(AuditRow.what).order_by(AuditRow.id.desc())).first()
        assert said == "retraining baseline_accepted"
    with (
        desk.services.sessions.begin() as session,
        pytest.raises(ConflictError, match="expected a provisional baseline, found active"),
    ):
        first_baseline.accept(session, 1, actor="bo", at=desk.clock.now())


def test_a_model_that_cannot_replay_leaves_it_to_the_traffic(desk: Desk) -> None:
    desk.serve("v3", fleet.FIRST + 1)
    assert desk.look(Model("replaying:run raised ValueError"))["state"] == "provisional"


@pytest.mark.parametrize(
    ("why", "said"),
    [
        ("no traffic", "0 labels that stand for its traffic, 30 needed"),
        ("worse", "its labels say that it is worse than the versions before"),
        ("incident", "it had an incident since its release (#1)"),
        ("few", "8 windows with samples since the release, 20 needed"),
    ],
)
def test_without_enough_that_is_healthy_there_is_none_and_it_says_why(
    desk: Desk, why: str, said: str
) -> None:
    """A version that is worse than the one before must not become its own measure."""
    if why != "no traffic":
        windows = 8 if why == "few" else 25
        desk.serve("v3", fleet.FIRST + 1, windows, error=0.6 if why == "worse" else 0.0)
    if why == "incident":
        with desk.services.sessions.begin() as session:
            session.add(
                incident_row(
                    desk.clock.now() + timedelta(seconds=1),
                    model=fleet.MODEL,
                    model_version="v3",
                    deployment=fleet.DEPLOYMENT,
                )
            )
    found = desk.look()
    assert found["state"] == ""
    assert found["why"] == (
        f"evaluation part: neither an endpoint nor a function to replay through; production: {said}"
    )
    assert stored(desk) == []


def test_a_baseline_that_people_uploaded_is_left_alone(desk: Desk) -> None:
    """Nothing is built; a provisional one can't be accepted over it."""
    desk.serve("v3", fleet.FIRST + 1)
    assert desk.look()["state"] == "provisional"
    with desk.services.sessions.begin() as session:
        baselines.add(session, fleet.baseline("v3"))
    with (
        desk.services.sessions.begin() as session,
        pytest.raises(ConflictError, match="v3 has a baseline already"),
    ):
        first_baseline.accept(session, 1, actor="ann", at=desk.clock.now())
