"""The records that show an incident's drift most, as its page draws them."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sqlalchemy.orm import Session

from alerts.types import Incident
from dashboards.console.readmodels import ExemplarGroup, ExemplarLine
from monitor.response.exemplars import Shown, exemplars_of
from monitor.settings.addresses import trace_link
from monitor.store.samples import SampleStore
from monitor.store.tables import IncidentRow
from vigil.types import utc


def groups_of(
    session: Session,
    samples: SampleStore,
    row: IncidentRow,
    class_names: Sequence[str],
    *,
    trace_url: str | None,
) -> tuple[ExemplarGroup, ...]:
    """One group a signal; none where the row can't be read or the sample is gone."""
    try:
        incident = Incident.from_columns(row)
    except (ValueError, KeyError, TypeError):
        return ()
    return tuple(
        ExemplarGroup(
            signal=signal, records=tuple(line_of(one, class_names, trace_url) for one in records)
        )
        for signal, records in exemplars_of(session, samples, incident).items()
    )


def line_of(one: Shown, class_names: Sequence[str], trace_url: str | None = None) -> ExemplarLine:
    """One record in words, its thumbnail as a data URI."""
    named = 0 <= one.prediction < len(class_names)
    return ExemplarLine(
        record_id=one.record_id,
        at=utc(one.time_s),
        value=one.value,
        prediction=class_names[one.prediction]
        if named
        else str(one.prediction)
        if one.prediction >= 0
        else "",
        where=", ".join(f"{key} {value}" for key, value in sorted(one.metadata.items())),
        uri=one.uri,
        image=None if one.pixels is None else _data_uri(one.pixels),
        trace=trace_link(trace_url, one.trace_id),
    )


def _data_uri(pixels: NDArray[np.uint8]) -> str:
    flat: NDArray[Any] = pixels[..., 0] if pixels.shape[-1] == 1 else pixels[..., :3]
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(flat)).save(file, format="PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")
