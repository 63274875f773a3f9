"""The latest self-audit, as it is kept: what is missing in it is left out rather than raised."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from dashboards.console.auditview import AuditLine, AuditView
from monitor.audit import kept
from monitor.audit.realised import realised
from monitor.web.console.needs import ConsoleServices
from vigil.types import utc

MOST_LINES = 20
Cells = Callable[[Mapping[str, Any]], tuple[str, ...]]


def audit_page(session: Session, services: ConsoleServices, now: datetime) -> AuditView:
    known = kept.load(session)
    said = realised(session, services.settings.budget, now=now)
    report = known.report or {}
    return AuditView(
        made_at=_moment(report.get("made_at")),
        every_days=services.settings.audit.every_days,
        running=known.ended_s is None
        and known.began_s is not None
        and now - utc(known.began_s) < kept.LONGEST,
        error=known.error,
        beyond=report.get("judgement") == "beyond",
        summary=str(report.get("summary", "")),
        closest=str(report.get("closest", "")),
        figures=tuple((str(name), str(text)) for name, text in report.get("figures", ())),
        pages=_lines(report.get("page_lines"), lambda one: (_day(one["at"]), str(one["streams"]))),
        peaks=_lines(report.get("peaks"), lambda one: (f"{one['share']:.1%}", _day(one["at"]))),
        kinds=tuple(
            (
                str(one["kind"]),
                str(one["tested"]),
                str(one["leaking"]),
                f"{one['worst']:+.2f}" if one["leaking"] else "",
                str(one["reason"]),
            )
            for one in report.get("kinds", ())
        ),
        leaks=_lines(
            report.get("leaks"),
            lambda one: (str(one["stratum"]), f"{one['effect']:+.2f}", f"{one['p']:.2g}"),
        ),
        memory=tuple(
            (str(one["name"]), *(f"{one[key]:.2f}" for key in ("median", "high", "worst")))
            for one in report.get("memory", ())
        ),
        false_pages=said.false_pages,
        undecided=said.undecided,
        false_budget=said.budget_pages,
        false_days=said.days,
    )


def _lines(found: Any, cells: Cells) -> tuple[AuditLine, ...]:
    return tuple(
        AuditLine(
            signal=str(one["stream"]["signal"]),
            slice=str(one["stream"]["slice"]),
            model=str(one["stream"]["model"]),
            deployment=str(one["stream"]["deployment"]),
            cells=cells(one),
        )
        for one in (found or ())[:MOST_LINES]
    )


def _day(text: str) -> str:
    at = _moment(text)
    return "" if at is None else f"{at:%Y-%m-%d %H:%M}"


def _moment(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
