"""The values of the alert path: alert, finding, incident, message, delivery.

Frozen and keyword-only. ``to_json``/``from_json`` are the forms that go into the database's JSON
columns; ``Incident.columns``/``from_columns`` are those of the table of incidents.
"""

from alerts.types.alert import Alert, AlertKind, Finding, Severity, effect_from_json, effect_to_json
from alerts.types.incident import Disposition, Incident, IncidentState, TimelineEntry
from alerts.types.message import (
    Delivery,
    DeliveryOutcome,
    Image,
    Link,
    Message,
    MessageEvent,
    PendingApproval,
)

__all__ = [
    "Alert",
    "AlertKind",
    "Delivery",
    "DeliveryOutcome",
    "Disposition",
    "Finding",
    "Image",
    "Incident",
    "IncidentState",
    "Link",
    "Message",
    "MessageEvent",
    "PendingApproval",
    "Severity",
    "TimelineEntry",
    "effect_from_json",
    "effect_to_json",
]
