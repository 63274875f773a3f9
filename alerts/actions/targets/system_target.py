"""How a plan is carried out at any system: read, judge, change only what was read, read again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from alerts.actions.plan import RollbackPlan
from alerts.actions.targets.protocol import TargetReport, TargetState
from alerts.actions.targets.situation import Mark, Situation, rehearsed, standing, verified

_TRIES = 4


class StoppedError(Exception):
    """A system refused or did not answer; ``report`` says so, without a secret."""

    def __init__(self, report: TargetReport) -> None:
        self.report = report
        super().__init__(report.text)

    @classmethod
    def of(cls, state: TargetState, text: str) -> StoppedError:
        return cls(TargetReport(state=state, text=text))


class ChangedMeanwhileError(Exception):
    """The system is not as it was read any more; nothing was changed."""


@contextmanager
def _understood(kind: str) -> Iterator[None]:
    """Raises:
    StoppedError: an answer has another shape than it should: it is someone else's, or half one.
    """
    try:
        yield
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        text = f"{kind}: its answer is not understood ({type(error).__name__})"
        raise StoppedError.of(TargetState.UNCLEAR, text) from None


class SystemTarget(ABC):
    """A rollback target over a system that can be read and changed.

    What a subclass raises: ``StoppedError``, where the system refuses or does not answer.
    """

    @property
    @abstractmethod
    def kind(self) -> str: ...

    @abstractmethod
    def _read(self, plan: RollbackPlan) -> Situation:
        """What the system says; ``obstacle`` only needs to be there while ``from`` serves."""

    @abstractmethod
    def _serving(self) -> str | None:
        """The version that serves, read with as little as possible."""

    @abstractmethod
    def _change(self, plan: RollbackPlan, was: Situation, *, rehearse: bool) -> None:
        """Let ``to_version`` serve, if all is still as it ``was``.

        Args:
            rehearse: have the system check it and change nothing, where it can do that.

        Raises:
            ChangedMeanwhileError: something changed since it was read.
            StoppedError: refused, or no answer.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of its connections."""

    def serving(self, model: str, deployment: str) -> str | None:
        """What serves; None where the system doesn't answer, too."""
        del model, deployment
        try:
            with _understood(self.kind):
                return self._serving()
        except StoppedError:
            return None

    def dry_run(self, plan: RollbackPlan) -> TargetReport:
        return self._carry_out(plan, rehearse=True)

    def execute(self, plan: RollbackPlan) -> TargetReport:
        return self._carry_out(plan, rehearse=False)

    def status(self, plan: RollbackPlan) -> TargetReport:
        try:
            return standing(plan, self._situation(plan))
        except StoppedError as stopped:
            return stopped.report

    def verify(self, plan: RollbackPlan) -> TargetReport:
        try:
            return verified(plan, self._situation(plan))
        except StoppedError as stopped:
            return TargetReport(state=TargetState.UNCLEAR, text=stopped.report.text)

    def _situation(self, plan: RollbackPlan) -> Situation:
        with _understood(self.kind):
            return self._read(plan)

    def _carry_out(self, plan: RollbackPlan, *, rehearse: bool) -> TargetReport:
        """A system that is busy changes between reading and writing: then it is judged anew."""
        for _ in range(_TRIES):
            try:
                was = self._situation(plan)
                could = rehearsed(plan, was)
                if could.state is not TargetState.READY:
                    return could
                with _understood(self.kind):
                    self._change(plan, was, rehearse=rehearse)
            except ChangedMeanwhileError:
                continue
            except StoppedError as stopped:
                return stopped.report
            return could if rehearse else self._afterwards(plan)
        text = f"it changed {_TRIES} times while it was read; may be tried again"
        return TargetReport(state=TargetState.UNCLEAR, text=text)

    def _afterwards(self, plan: RollbackPlan) -> TargetReport:
        """What came of it; a system that took the change and shows none is unclear."""
        try:
            now = self._situation(plan)
        except StoppedError as stopped:
            return TargetReport(state=TargetState.UNCLEAR, text=stopped.report.text)
        ours = now.serving == plan.to_version
        report = standing(plan, replace(now, mark=Mark.DONE) if ours else now)
        if report.state is TargetState.READY:
            text = f"the change was taken, and does not show yet: {report.text}"
            return TargetReport(state=TargetState.UNCLEAR, text=text)
        return report
