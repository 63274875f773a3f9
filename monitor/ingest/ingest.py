"""Takes windows and labels in, each exactly once, and says what became of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from monitor.ingest.arrivals import first_seen, observe_releases, update_sources
from monitor.ingest.box_labels import BoxLabelIn, take_boxes
from monitor.ingest.cleaning import BOOT_LIMIT, Refusal, Refused, has_names, judge
from monitor.ingest.labels import LabelOutcome, take_labels
from monitor.ingest.latency import latency_quantiles
from monitor.ingest.receipts import LabelIn, LabelReceipt, Receipt
from monitor.ingest.rejections import Rejected, count_rejections
from monitor.ingest.rulers import RulerBook
from monitor.ingest.withholding import Taken, Withholding
from monitor.metrics import Metrics
from monitor.store.database import Sessions, insert
from monitor.store.samples import SampleStore
from monitor.store.tables import LedgerIdRow, WindowRow
from monitor.store.windows import pack_ledger, pack_summary
from vigil.arguments import NAME_LIMIT
from vigil.clock import Clock
from vigil.errors import VigilError
from vigil.privacy.rules import Policy
from vigil.types import ModelRef
from vigil.values.texts import clean_text
from vigil.windows.summary import Summary
from vigil.windows.window import Window
from vigil.windows.wire import UNREADABLE, unpacked_size

Origin = Literal["live", "backfill"]
WINDOW_LIMIT_BYTES = 64 * 2**20
_GROUP_BYTES = 64 * 2**20
_RECORD_ID_LIMIT = 200
_DETAIL_LIMIT = 500


class Ingest:
    """The one door for windows and labels, live or back-filled.

    ``max_future_s`` bounds how far ahead a window's end may lie, ``max_age_days`` how old a live
    one may be. ``new_id`` names the sample parts. ``policies``: what may be kept of a model's
    records; everything, of one that is not in it. Safe to use from several threads.
    """

    def __init__(
        self,
        *,
        sessions: Sessions,
        samples: SampleStore,
        clock: Clock,
        metrics: Metrics,
        new_id: Callable[[], str],
        max_future_s: float,
        max_age_days: float,
        policies: Mapping[str, Policy],
    ) -> None:
        self._sessions = sessions
        self._samples = samples
        self._clock = clock
        self._metrics = metrics
        self._new_id = new_id
        self._max_future_s = max_future_s
        self._max_age_days = max_age_days
        self._rulers = RulerBook()
        self._withholding = Withholding(policies, metrics)

    def windows(self, blobs: Sequence[bytes], *, origin: Origin = "live") -> list[Receipt]:
        """Store windows; one receipt for each blob, in order.

        An error of the database raises, and the sender sends all of them again: a window that was
        stored before is a ``duplicate``. Those that are large unpacked are taken a few at a time,
        each group in one transaction.
        """
        return [
            receipt for group in _groups(blobs) for receipt in self._windows(group, origin=origin)
        ]

    def _windows(self, blobs: Sequence[bytes], *, origin: Origin) -> list[Receipt]:
        now = self._clock.now()
        parsed = [_parse(blob) for blob in blobs]
        receipts: list[Receipt | None] = [None] * len(blobs)
        taken: dict[int, Taken] = {}
        refused: list[Rejected] = []
        with self._sessions() as session:
            windows = [w for w in parsed if isinstance(w, Window) and has_names(w)]
            rulers = self._rulers.known(session, (w.ruler for w in windows))
            seen = _stored_keys(session, windows)
        for position, window in enumerate(parsed):
            verdict: Refused | bool
            if isinstance(window, Refused):
                receipts[position] = _receipt(None, "rejected", window)
                refused.append(_rejected("", window))
                continue
            verdict = judge(
                window,
                now=now,
                max_future_s=self._max_future_s,
                max_age_days=self._max_age_days if origin == "live" else None,
                rulers=rulers,
            )
            if isinstance(verdict, Refused):
                receipts[position] = _receipt(window, "rejected", verdict)
                source = "" if verdict.reason is Refusal.BAD_NAME else window.source
                refused.append(_rejected(source, verdict))
            elif window.key in seen:
                receipts[position] = _receipt(window, "duplicate")
            else:
                seen.add(window.key)
                taken[position] = self._withholding.window(window, verified=verdict)
        if taken or refused:
            stored = self._store(list(taken.values()), refused, origin=origin, now=now)
            for position, item in taken.items():
                is_new = item.window.key in stored
                receipts[position] = _receipt(item.window, "accepted" if is_new else "duplicate")
            self._measure([t for t in taken.values() if t.window.key in stored], origin)
        done = [receipt for receipt in receipts if receipt is not None]
        for status, count in Counter(receipt.status for receipt in done).items():
            self._metrics.count("vigil_windows_ingested_total", count, status=status)
        return done

    def labels(
        self, labels: Sequence[LabelIn], *, judged_by: int | None = None
    ) -> list[LabelReceipt]:
        """Join labels to their predictions; one receipt for each, in order.

        A label whose record is not known is rejected, unless it carries the prediction itself.
        ``judged_by`` names the tick that has counted them; where none has, the next one will.
        """
        return self._labelled(
            lambda session, now: take_labels(
                session, self._withholding.labels(labels), now=now, judged_by=judged_by
            )
        )

    def boxes(self, labels: Sequence[BoxLabelIn]) -> list[LabelReceipt]:
        """Store boxes that people drew beside those that the model drew on the same records; one
        receipt for each, in order. A record that was not sampled is rejected."""
        return self._labelled(
            lambda session, now: take_boxes(session, self._samples, labels, now=now)
        )

    def _labelled(
        self, take: Callable[[Session, datetime], list[LabelOutcome]]
    ) -> list[LabelReceipt]:
        now = self._clock.now()
        with self._sessions.begin() as session:
            outcomes = take(session, now)
            count_rejections(
                session,
                [
                    Rejected(
                        what="label",
                        source="",
                        reason=one.reason,
                        example=self._withholding.example(one.id, one.detail),
                    )
                    for one in outcomes
                    if one.status == "rejected"
                ],
                at=now,
            )
        for (model, deployment, status), count in Counter(
            (one.model, one.deployment, one.status) for one in outcomes
        ).items():
            self._metrics.count(
                "vigil_labels_total", count, model=model, deployment=deployment, status=status
            )
        return [one.receipt for one in outcomes]

    def _store(
        self, taken: list[Taken], refused: list[Rejected], *, origin: str, now: datetime
    ) -> set[tuple[str, str, int]]:
        part = f"{now:%Y-%m-%d}/{now:%H%M%S}-{self._new_id()}.parquet"
        has_part = self._samples.write(part, [item.window for item in taken])
        values = [
            _row(item, origin=origin, now=now, part=part if has_part else None) for item in taken
        ]
        with self._sessions.begin() as session:
            count_rejections(session, refused, at=now)
            ids: dict[tuple[str, str, int], int] = {}
            if values:
                result = session.execute(
                    insert(session, WindowRow)
                    .on_conflict_do_nothing()
                    .returning(WindowRow.source, WindowRow.boot, WindowRow.sequence, WindowRow.id),
                    values,
                )
                ids = {(source, boot, sequence): id_ for source, boot, sequence, id_ in result}
            new = [item.window for item in taken if item.window.key in ids]
            _index_ids(session, new, ids)
            observe_releases(session, first_seen(new))
            if origin == "live":
                update_sources(session, new)
        return set(ids)

    def _measure(self, stored: list[Taken], origin: str) -> None:
        totals: Counter[ModelRef] = Counter()
        verified: dict[tuple[ModelRef, str], list[Summary]] = {}
        for item in stored:
            window = item.window
            self._withholding.tell(item)
            totals[window.model] += window.summary.total_records
            dropped = sum(window.dropped.values())
            if dropped:
                self._metrics.count(
                    "vigil_records_dropped_total",
                    dropped,
                    source=window.source,
                    **_family(window.model),
                )
            if item.verified and origin == "live":
                verified.setdefault((window.model, window.ruler), []).append(window.summary)
        for model, records in totals.items():
            self._metrics.count(
                "vigil_inferences_total", records, version=model.version, **_family(model)
            )
        if not verified:
            return
        with self._sessions() as session:
            for (model, ruler_id), summaries in verified.items():
                ruler = self._rulers.get(session, ruler_id)
                for share, seconds in latency_quantiles(ruler, Summary.total(summaries)).items():
                    self._metrics.gauge(
                        "vigil_latency_seconds",
                        seconds,
                        version=model.version,
                        quantile=f"{share:g}",
                        **_family(model),
                    )


def _groups(blobs: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Neighbours that fit in memory together: a small blob may unpack to a thousand times as much.

    What is larger than a window may be is refused before it is unpacked, and weighs nothing.
    """
    group: list[bytes] = []
    size = 0
    for blob in blobs:
        own = unpacked_size(blob)
        own = own if own <= WINDOW_LIMIT_BYTES else 0
        if group and size + own > _GROUP_BYTES:
            yield group
            group, size = [], 0
        group.append(blob)
        size += own
    if group:
        yield group


def _parse(blob: bytes) -> Window | Refused:
    try:
        return Window.from_bytes(blob, limit_bytes=WINDOW_LIMIT_BYTES)
    except (VigilError, *UNREADABLE) as error:
        return Refused(reason=Refusal.MALFORMED, detail=_shown(str(error), _DETAIL_LIMIT))


def _stored_keys(session: Session, windows: Sequence[Window]) -> set[tuple[str, str, int]]:
    key = tuple_(WindowRow.source, WindowRow.boot, WindowRow.sequence)
    wanted = [w.key for w in windows if 0 <= w.sequence < 2**63]
    found: set[tuple[str, str, int]] = set()
    for first in range(0, len(wanted), 200):
        rows = session.execute(
            select(WindowRow.source, WindowRow.boot, WindowRow.sequence).where(
                key.in_(wanted[first : first + 200])
            )
        )
        found.update((source, boot, sequence) for source, boot, sequence in rows)
    return found


def _row(item: Taken, *, origin: str, now: datetime, part: str | None) -> dict[str, Any]:
    window = item.window
    ledger, layout = window.ledger, window.summary.layout
    sampled = len(window.sample) or len(window.informative)
    return {
        "source": window.source,
        "boot": window.boot,
        "sequence": window.sequence,
        "model": window.model.name,
        "version": window.model.version,
        "deployment": window.model.deployment,
        "start_at": window.start,
        "end_at": window.end,
        "received_at": now,
        "origin": origin,
        "ruler": window.ruler,
        "verified": item.verified,
        "records": window.summary.total_records,
        "dropped": sum(window.dropped.values()),
        "counter_low": int(ledger.counter.min()) if len(ledger) else 0,
        "counter_high": int(ledger.counter.max()) if len(ledger) else -1,
        "sample_part": part if sampled else None,
        "judged_by": None,
        "preprocessing": window.build.preprocessing,
        "hardware": window.build.hardware,
        "schema_version": window.build.schema,
        "blob": pack_summary(window.summary, window.dropped, window.quality),
        "ledger": pack_ledger(ledger, layout.keys, window.summary.cells),
    }


def _index_ids(
    session: Session, windows: Sequence[Window], ids: dict[tuple[str, str, int], int]
) -> None:
    """Where the caller chose the ids, keep where each is; the first window with an id wins."""
    rows = [
        {"record_id": record_id, "window_id": ids[window.key], "position": position}
        for window in windows
        for position, record_id in enumerate(window.ledger.ids)
        if 0 < len(record_id) <= _RECORD_ID_LIMIT and "\x00" not in record_id
    ]
    if rows:
        session.execute(insert(session, LedgerIdRow).on_conflict_do_nothing(), rows)


def _family(model: ModelRef) -> dict[str, str]:
    return {"model": model.name, "deployment": model.deployment}


def _receipt(
    window: Window | None,
    status: Literal["accepted", "duplicate", "rejected"],
    refused: Refused | None = None,
) -> Receipt:
    reason = f"{refused.reason}: {refused.detail}" if refused else ""
    if window is None:
        return Receipt(source="", boot="", sequence=-1, status=status, reason=reason)
    return Receipt(
        source=_shown(window.source, NAME_LIMIT),
        boot=_shown(window.boot, BOOT_LIMIT),
        sequence=window.sequence,
        status=status,
        reason=_shown(reason, _DETAIL_LIMIT),
    )


def _shown(text: str, limit: int) -> str:
    """What a sender called itself, as an answer can carry it."""
    return clean_text(text[:limit])


def _rejected(source: str, refused: Refused) -> Rejected:
    return Rejected(
        what="window", source=source, reason=refused.reason.value, example=refused.detail
    )
