"""What a page shows, as plain frozen values; queries fill them, templates print them.

Times are aware UTC. A number that is not known is None, never NaN.
"""

from dashboards.console.readmodels.actions import ActionView, DeliveryView, ReasonLine, RelabelItem
from dashboards.console.readmodels.chrome import Chrome
from dashboards.console.readmodels.fleet import FleetRow, FleetView, IncidentLine
from dashboards.console.readmodels.incident import (
    DecisionLine,
    ExemplarGroup,
    ExemplarLine,
    FindingLine,
    FollowupLine,
    IncidentView,
    Milestone,
    RepeatLine,
    ReportLine,
    RunbookView,
    TimelineItem,
    TimeTo,
)
from dashboards.console.readmodels.model import (
    BaselineLine,
    CostLine,
    DataFaultLine,
    FindableLine,
    ModelView,
    ReleaseLine,
    SourceLine,
)
from dashboards.console.readmodels.samples import (
    ClassShares,
    Distribution,
    EmbeddingMap,
    Floats,
    Reliability,
    ReliabilityBin,
)
from dashboards.console.readmodels.streams import (
    Marker,
    SignalPoint,
    SignalSeries,
    SliceCell,
    SliceRow,
    SliceTable,
)

__all__ = [
    "ActionView",
    "BaselineLine",
    "Chrome",
    "ClassShares",
    "CostLine",
    "DataFaultLine",
    "DecisionLine",
    "DeliveryView",
    "Distribution",
    "EmbeddingMap",
    "ExemplarGroup",
    "ExemplarLine",
    "FindableLine",
    "FindingLine",
    "FleetRow",
    "FleetView",
    "Floats",
    "FollowupLine",
    "IncidentLine",
    "IncidentView",
    "Marker",
    "Milestone",
    "ModelView",
    "ReasonLine",
    "RelabelItem",
    "ReleaseLine",
    "Reliability",
    "ReliabilityBin",
    "RepeatLine",
    "ReportLine",
    "RunbookView",
    "SignalPoint",
    "SignalSeries",
    "SliceCell",
    "SliceRow",
    "SliceTable",
    "SourceLine",
    "TimeTo",
    "TimelineItem",
]
