"""The tables. Migrations are written against them; ``vigil db check`` compares the two.

Arrays travel as blobs of ``vigil.windows.wire``; everything that is searched for is a column.
"""

from monitor.store.tables.access import AuditRow, LeaseRow, SwitchRow, TokenRow
from monitor.store.tables.base import Base
from monitor.store.tables.delivery import InboundEventRow, OutboxRow, ReceiverRow, SilenceRow
from monitor.store.tables.evidence import CoverageRow, SignalPointRow, StateRow, TickRow, VerdictRow
from monitor.store.tables.fleet import (
    BaselineRow,
    LabelRow,
    LedgerIdRow,
    RejectionRow,
    ReleaseRow,
    SourceRow,
    WindowRow,
)
from monitor.store.tables.incidents import (
    ActionRow,
    CorrectiveActionRow,
    EscalationRow,
    ExternalAlertRow,
    IncidentRow,
    RunbookTickRow,
    TimelineRow,
)
from monitor.store.tables.labelling import (
    AnnotationRow,
    BoxLabelRow,
    DatasetRow,
    LabelQueueRow,
    LabelTaskRow,
    RetrainingRow,
)
from monitor.store.tables.serving import (
    CanaryRow,
    ControlRow,
    GateRow,
    MarkRow,
    RegistryReadingRow,
    ServingSpanRow,
)

__all__ = [
    "ActionRow",
    "AnnotationRow",
    "AuditRow",
    "Base",
    "BaselineRow",
    "BoxLabelRow",
    "CanaryRow",
    "ControlRow",
    "CorrectiveActionRow",
    "CoverageRow",
    "DatasetRow",
    "EscalationRow",
    "ExternalAlertRow",
    "GateRow",
    "InboundEventRow",
    "IncidentRow",
    "LabelQueueRow",
    "LabelRow",
    "LabelTaskRow",
    "LeaseRow",
    "LedgerIdRow",
    "MarkRow",
    "OutboxRow",
    "ReceiverRow",
    "RegistryReadingRow",
    "RejectionRow",
    "ReleaseRow",
    "RetrainingRow",
    "RunbookTickRow",
    "ServingSpanRow",
    "SignalPointRow",
    "SilenceRow",
    "SourceRow",
    "StateRow",
    "SwitchRow",
    "TickRow",
    "TimelineRow",
    "TokenRow",
    "VerdictRow",
    "WindowRow",
]
