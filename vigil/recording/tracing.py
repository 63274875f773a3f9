"""Traces of OpenTelemetry: their ids on records, and records' names on their spans.

Nothing is imported: where the program has not loaded ``opentelemetry.trace``, nobody traces.
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterable
from itertools import islice
from typing import Any

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
_NO_TRACE = "0" * 32
_MODULE = "opentelemetry.trace"
_MOST_NAMED = 16


def trace_id_of(traceparent: str) -> str:
    """The trace id in a W3C ``traceparent`` header; "" where there is none."""
    found = _TRACEPARENT.fullmatch(traceparent.strip().lower())
    return found[1] if found is not None and found[1] != _NO_TRACE else ""


def current_span() -> Any:
    """The span that is open in this context and recorded; None where there is none."""
    trace = sys.modules.get(_MODULE)
    if trace is None:
        return None
    span = trace.get_current_span()
    return span if span.get_span_context().is_valid else None


def current_trace_id() -> str:
    """32 hexadecimal digits; "" outside any span."""
    span = current_span()
    return "" if span is None else _hexadecimal(span)


def traced(
    arguments: dict[str, Any], names: Iterable[str], n: int, *, model: str, version: str
) -> None:
    """Join n records and the span that is open, where one is: its trace id goes into the
    arguments, and ``vigil.model``, ``vigil.version`` and ``vigil.record_ids`` (the first 16) onto
    the span, if it is recorded. Never raises.
    """
    if _MODULE not in sys.modules:
        return
    # Spans may be of any make: what is wrong with one costs its trace, never the record.
    with contextlib.suppress(Exception):
        span = current_span()
        if span is None:
            return
        arguments["trace_ids"] = [_hexadecimal(span)] * n
        if span.is_recording():
            span.set_attribute("vigil.model", model)
            span.set_attribute("vigil.version", version)
            span.set_attribute("vigil.record_ids", tuple(islice(names, _MOST_NAMED)))


def _hexadecimal(span: Any) -> str:
    return f"{span.get_span_context().trace_id:032x}"
