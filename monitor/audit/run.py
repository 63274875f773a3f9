"""One audit from start to end: read, replay, report. Reads only."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime

from monitor.audit.realised import realised
from monitor.audit.replay import AuditTick, EngineSettings, replay
from monitor.audit.report import AuditReport, report
from monitor.audit.source import AuditError, Scope, Source, plan
from monitor.settings.schema import Settings
from monitor.store.database import Sessions


def audit(
    sessions: Sessions,
    settings: Settings,
    scope: Scope | None = None,
    *,
    now: datetime,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> AuditReport:
    """Replay what is stored through a fresh engine with the deployment's settings.

    Args:
        progress: called with the ticks done and their number.

    Raises:
        AuditError: no windows, too few, or none with an active baseline.
    """
    scope = scope or Scope()
    began = time.perf_counter()
    with sessions() as session:
        chosen = plan(session, settings, scope)
        so_far = realised(session, settings.budget, now=now)
    source = Source(sessions, settings, scope, chosen)

    def counted() -> Iterator[AuditTick]:
        for done, one in enumerate(source.ticks(now=now), 1):
            yield one
            progress(done, len(chosen.ticks))

    run = replay(
        counted(),
        EngineSettings(
            threshold=settings.threshold_ticks,
            min_history=settings.checks.min_history,
            seed=seed,
        ),
        judge=source.judge,
    )
    if run.ticks < settings.checks.min_history:
        left = source.left
        raise AuditError(
            f"self-audit: only {run.ticks} ticks could be judged: {left.unverified} records are of "
            f"versions without an active baseline, {left.unreadable} windows are damaged, and "
            f"{left.of_incidents} scores fall into incidents; "
            f"{settings.checks.min_history} ticks are needed (checks.min_history)"
        )
    return report(
        run,
        window_s=settings.service.window_s,
        made_at=now,
        seed=seed,
        left_out=source.left,
        realised=so_far,
        duration_s=time.perf_counter() - began,
    )
