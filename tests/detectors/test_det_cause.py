"""Naming the slice and the cause."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from detectors.attribution import name_slice
from detectors.cause import CauseFacts, DriftFact, ReleaseFact, classify, classify_broken
from detectors.hard_faults import HardFault, HardFaultKind
from vigil.types import WHOLE, Cause, Effect, SignalKind, Slice

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
KEYS = ("site", "camera")
CELLS = [(f"s{i // 3}", f"c{i}") for i in range(12)]
RELEASE = ReleaseFact(version="v2", previous="v1", started_at=NOW)
CAMERA = Slice((("camera", "c4"),))


def cells(*drifting: tuple[str, str], weight: float = 1.0):
    return {cell: (cell in drifting, weight) for cell in CELLS}


def effect(low: float, tolerance: float = 0.15) -> Effect:
    return Effect(
        value=low + 0.1, low=low, high=low + 0.2, tolerance=tolerance, unit="KS", records=100
    )


def fact(signal="confidence", kind=SignalKind.PREDICTION, change=-1.0, **more) -> DriftFact:
    return DriftFact(signal=signal, kind=kind, effect=effect(0.4), change=change, **more)


def test_everywhere_is_the_whole():
    """All cells, or nearly all, are the whole; so is none."""
    assert name_slice(cells(*CELLS), KEYS) == WHOLE
    assert name_slice(cells(*CELLS[:10]), KEYS) == WHOLE
    assert name_slice(cells(), KEYS) == WHOLE
    assert name_slice({}, KEYS) == WHOLE


def test_one_camera_is_named():
    """One cell of a site with three cameras is that camera."""
    assert name_slice(cells(CELLS[4]), KEYS) == CAMERA


def test_a_whole_site_is_named_as_the_site():
    """Its three cameras together."""
    assert name_slice(cells(*CELLS[3:6]), KEYS) == Slice((("site", "s1"),))


def test_one_camera_on_one_site_among_shared_names_is_a_leaf():
    """Where camera names repeat across sites only the pair says which."""
    grid = {(s, c): ((s, c) == ("b", "2"), 1.0) for s in "abc" for c in "123"}
    assert name_slice(grid, KEYS) == Slice((("site", "b"), ("camera", "2")))


def test_of_equal_covers_the_coarser_is_named():
    """A site with a single camera is named as the site."""
    lone = {("s1", "c1"): (True, 1.0), ("s2", "c2"): (False, 1.0), ("s3", "c3"): (False, 1.0)}
    assert name_slice(lone, KEYS) == Slice((("site", "s1"),))


def test_traffic_weighs():
    """Two of three cameras that carry nearly all of a site's traffic are the site."""
    table = cells(CELLS[3], CELLS[4])
    table[CELLS[5]] = (False, 0.01)
    assert name_slice(table, KEYS) == Slice((("site", "s1"),))


def test_cells_must_fit_the_keys():
    """A cell of another width is a mistake of the caller."""
    with pytest.raises(ValueError, match="expected 2 values"):
        name_slice({("a",): (True, 1.0), ("a", "b"): (False, 1.0)}, KEYS)


def test_a_worse_release_is_a_model_regression():
    """It began with the release, v1 was healthy, confidence fell, images are sane."""
    decision = classify(
        CauseFacts(findings=(fact(),), onset=NOW, release=RELEASE, previous_healthy=True)
    )
    assert decision.cause is Cause.MODEL_REGRESSION
    assert any("v2 is worse: confidence" in reason for reason in decision.reasons)
    assert any("sane" in reason for reason in decision.reasons)


@pytest.mark.parametrize(
    ("shift_windows", "cause"),
    [
        (-6, Cause.DOMAIN_SHIFT),
        (-5, Cause.MODEL_REGRESSION),
        (0, Cause.MODEL_REGRESSION),
        (30, Cause.MODEL_REGRESSION),
        (31, Cause.DOMAIN_SHIFT),
    ],
)
def test_only_what_begins_with_a_release_is_its_regression(shift_windows, cause):
    """Before it, or long after it, the release is not to blame."""
    onset = NOW + timedelta(minutes=shift_windows)
    facts = CauseFacts(findings=(fact(),), onset=onset, release=RELEASE, previous_healthy=True)
    assert classify(facts).cause is cause


def test_a_release_that_is_only_different_is_not_a_regression():
    """More confident is not worse; nothing would justify a rollback."""
    facts = CauseFacts(
        findings=(fact(change=1.0),), onset=NOW, release=RELEASE, previous_healthy=True
    )
    decision = classify(facts)
    assert decision.cause is Cause.UNKNOWN
    assert any("nothing shows that it is worse" in reason for reason in decision.reasons)


@pytest.mark.parametrize(
    ("previous_healthy", "cause"), [(False, Cause.DOMAIN_SHIFT), (None, Cause.UNKNOWN)]
)
def test_the_previous_version_must_be_known_healthy(previous_healthy, cause):
    """Seen on v1 too it is the traffic; not known, it is not decided."""
    facts = CauseFacts(
        findings=(fact(),), onset=NOW, release=RELEASE, previous_healthy=previous_healthy
    )
    assert classify(facts).cause is cause


def test_a_first_release_can_not_regress():
    """There is nothing to go back to."""
    first = ReleaseFact(version="v1", previous=None, started_at=NOW)
    facts = CauseFacts(findings=(fact(),), onset=NOW, release=first, previous_healthy=None)
    assert classify(facts).cause is Cause.DOMAIN_SHIFT


def test_a_shift_of_image_statistics_is_an_input_fault():
    """Also where only the effect shows it, and even if predictions moved with a release."""
    facts = CauseFacts(
        findings=(fact(slice=CAMERA),),
        slice=CAMERA,
        image_effects={"sharpness": effect(0.6), "noise": effect(0.05)},
        onset=NOW,
        release=RELEASE,
        previous_healthy=True,
    )
    decision = classify(facts)
    assert decision.cause is Cause.INPUT_FAULT
    assert "sharpness" in decision.reasons[0]
    assert "noise" not in decision.reasons[0]
    assert "camera=c4" in decision.reasons[0]
    assert "preprocessing" in decision.reasons[1]


def test_image_effects_within_tolerance_are_sane():
    """An interval that reaches below the tolerance is not beyond it."""
    facts = CauseFacts(findings=(fact(),), image_effects={"brightness": effect(0.1)})
    assert classify(facts).cause is Cause.DOMAIN_SHIFT


def test_a_new_slice_with_its_own_look_is_domain_shift():
    """Another brightness is how a new site looks; blur is a fault there too."""
    site = Slice((("site", "s9"),))
    finding = fact("embedding", SignalKind.EMBEDDING, None, slice=site, novel=True)
    look = CauseFacts(
        findings=(finding,),
        slice=site,
        image_effects={"brightness": effect(0.8), "sharpness": effect(0.25)},
        image_changes={"brightness": 3.0, "sharpness": -1.0},
    )
    assert classify(look).cause is Cause.DOMAIN_SHIFT
    blur = CauseFacts(
        findings=(finding,),
        slice=site,
        image_effects={"sharpness": effect(0.8)},
        image_changes={"sharpness": -4.0},
    )
    assert classify(blur).cause is Cause.INPUT_FAULT


def test_a_new_slice_wins_over_a_release():
    """New cameras connected just after a release are not its regression."""
    site = Slice((("site", "s9"),))
    facts = CauseFacts(
        findings=(fact(slice=site, novel=True),),
        slice=site,
        onset=NOW,
        release=RELEASE,
        previous_healthy=True,
    )
    assert classify(facts).cause is Cause.DOMAIN_SHIFT


def test_service_signals_alone_are_a_service_fault():
    """Latency with a release says so, which a rollback guard asks for."""
    late = fact("latency_s", SignalKind.SERVICE, 1.0)
    decision = classify(CauseFacts(findings=(late,), onset=NOW, release=RELEASE))
    assert decision.cause is Cause.SERVICE_FAULT
    assert "it began with release v2" in decision.reasons


def test_quality_alone_is_unknown():
    """Labels got worse while inputs and outputs did not move: no rule explains that."""
    facts = CauseFacts(findings=(fact("accuracy", SignalKind.QUALITY, -0.2),))
    assert classify(facts).cause is Cause.UNKNOWN


def test_nothing_and_silence():
    """No findings: silence is no data, otherwise there is nothing to explain."""
    assert classify(CauseFacts(findings=(), silent=True)).cause is Cause.NO_DATA
    assert classify(CauseFacts(findings=())).cause is Cause.UNKNOWN


def test_every_decision_explains_itself():
    """No cause without a reason."""
    for kind in SignalKind:
        for release in (None, RELEASE):
            for healthy in (True, False, None):
                facts = CauseFacts(
                    findings=(fact("entropy", kind, 1.0),),
                    onset=NOW,
                    release=release,
                    previous_healthy=healthy,
                )
                assert all(classify(facts).reasons)


def test_images_that_moved_beside_the_named_slice_only_are_told_as_that():
    """The slice that covers the leaf cells may be the whole before its own effect is sure."""
    site = Slice((("site", "s1"),))
    around = fact("brightness_spread", SignalKind.IMAGE, change=None, slice=site)
    decision = classify(CauseFacts(findings=(around,)))
    assert decision.cause is Cause.UNKNOWN
    assert decision.reasons[0] == "brightness_spread moved, but on all traffic not surely"


MISSING = HardFault(
    kind=HardFaultKind.MISSING, signal="confidence", slice=WHOLE, reason="confidence is missing"
)
BLACK = HardFault(
    kind=HardFaultKind.BLANK, signal="contrast", slice=WHOLE, reason="frames are blank"
)
AT_RELEASE = CauseFacts(findings=(), onset=NOW + timedelta(minutes=1), release=RELEASE)


def test_outputs_that_end_with_a_release_are_its_doing():
    """The version before gave values on the same traffic."""
    found = classify_broken([MISSING], AT_RELEASE, previous_kept=True)
    assert found.cause is Cause.MODEL_REGRESSION
    assert found.reasons == (
        "confidence is missing",
        "it began with release v2; v1 gave values on the same traffic",
    )


def test_otherwise_a_broken_rule_is_a_fault_of_the_input():
    """Black frames at a release, outputs that end long after one, or a version before that was no
    better."""
    late = replace(AT_RELEASE, onset=NOW + timedelta(minutes=20))
    for faults, facts, kept in (
        ([MISSING, BLACK], AT_RELEASE, True),
        ([MISSING], late, True),
        ([MISSING], AT_RELEASE, False),
    ):
        found = classify_broken(faults, facts, previous_kept=kept)
        assert found.cause is Cause.INPUT_FAULT


def test_a_broken_rule_explains_what_drifts_on_the_same_traffic():
    """Frozen frames make a model wrong; labels that say so are no second fault."""
    facts = CauseFacts(
        findings=(fact("accuracy", SignalKind.QUALITY),),
        slice=CAMERA,
        standing=(Cause.INPUT_FAULT, "20 frames are the same"),
    )
    found = classify(facts)
    assert found.cause is Cause.INPUT_FAULT
    assert "20 frames are the same" in found.reasons[0]
