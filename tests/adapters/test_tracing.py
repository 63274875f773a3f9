"""Traces of OpenTelemetry, where the program has any."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from vigil.recording.tracing import current_trace_id, trace_id_of, traced

TRACE = "0af7651916cd43dd8448eb211c80319c"


class Span(NonRecordingSpan):
    """A span that keeps its attributes, as a tracer's own does."""

    def __init__(self) -> None:
        super().__init__(
            SpanContext(int(TRACE, 16), 0xB7AD6B7169203331, False, TraceFlags(TraceFlags.SAMPLED))
        )
        self.said: dict[str, object] = {}

    def is_recording(self) -> bool:
        return True

    def set_attribute(self, key: str, value: object) -> None:
        self.said[key] = value


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (f"00-{TRACE}-b7ad6b7169203331-01", TRACE),
        (f" 00-{TRACE.upper()}-b7ad6b7169203331-00 ", TRACE),
        (f"cc-{TRACE}-b7ad6b7169203331-01-what-comes-later", TRACE),
        (f"00-{'0' * 32}-b7ad6b7169203331-01", ""),
        (f"00-{TRACE[:-1]}-b7ad6b7169203331-01", ""),
        ("", ""),
        ("nonsense", ""),
    ],
)
def test_a_trace_id_is_read_from_its_header(header, expected):
    """W3C Trace Context, also of versions to come."""
    assert trace_id_of(header) == expected


def test_outside_a_span_there_is_no_trace():
    assert current_trace_id() == ""
    arguments: dict[str, object] = {}
    traced(arguments, ["a"], 1, model="m", version="v")
    assert arguments == {}


def test_records_carry_the_trace_of_the_open_span_and_the_span_their_names(tap, records):
    """Unless the caller says a trace, and where a span is open at all."""
    scores = np.full((2, 3), 1 / 3, np.float32)
    span = Span()
    with trace.use_span(span):
        tap.record(outputs=scores, ids=["a", "b"], version="v2")
        assert current_trace_id() == TRACE
        assert span.said == {
            "vigil.model": "reader",
            "vigil.version": "v2",
            "vigil.record_ids": ("a", "b"),
        }
        tap.record(outputs=scores, ids=["c", "d"], trace_ids=["mine", None])
    tap.record(outputs=scores[:1], ids=["e"])
    found = {one["id"]: one["trace_id"] for one in records(tap)}
    assert found == {"a": TRACE, "b": TRACE, "c": "mine", "d": "", "e": ""}


def test_a_span_names_the_first_records_of_a_large_batch(tap):
    span = Span()
    with trace.use_span(span):
        names = tap.record(outputs=np.zeros(100, np.int64))
    assert span.said["vigil.record_ids"] == tuple(names[:16])


def test_nothing_is_imported_for_it():
    """A program without OpenTelemetry stays so."""
    code = (
        "import sys; from vigil.recording.tracing import current_trace_id; "
        "assert current_trace_id() == ''; "
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
    )
    assert subprocess.run((sys.executable, "-c", code), check=False).returncode == 0


class Odd(Span):
    """Spans of other makes: one method of each is not as it should be."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault = fault

    def get_span_context(self) -> object:
        if self.fault == "no context":
            return None
        if self.fault == "an id that is a text":
            return SimpleNamespace(is_valid=True, trace_id=TRACE)
        return super().get_span_context()

    def set_attribute(self, key: str, value: object) -> None:
        raise RuntimeError(self.fault)


@pytest.mark.parametrize("fault", ["no context", "an id that is a text", "no attributes"])
def test_a_span_that_is_not_as_it_should_be_costs_no_record(tap, records, fault):
    with trace.use_span(Odd(fault)):
        tap.record(outputs=np.full((2, 3), 1 / 3, np.float32), ids=["a", "b"])
    expected = TRACE if fault == "no attributes" else ""
    assert {one["id"]: one["trace_id"] for one in records(tap)} == dict.fromkeys("ab", expected)
    assert tap.dropped == {}
