"""Who can be told: one section for each kind of receiver."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from monitor.settings.fields import Count, HttpAddress, Name, Port, SecretRef, Section, Text


class ReceiverSection(Section):
    """What every receiver can have. ``wakes``: whether it calls people out of bed."""

    wakes: ClassVar[bool] = False

    per_minute: Count | None = None
    fallback: Name | None = None


class ConsoleReceiver(ReceiverSection):
    kind: Literal["console"]


class SlackReceiver(ReceiverSection):
    kind: Literal["slack"]
    token: SecretRef
    channel: Text
    signing_secret: SecretRef | None = None
    people: dict[str, Literal["viewer", "operator", "approver", "admin"]] = Field(
        default_factory=dict
    )
    url: HttpAddress = "https://slack.com/api/"


class SlackWebhookReceiver(ReceiverSection):
    kind: Literal["slack-webhook"]
    url: SecretRef


class PagerDutyReceiver(ReceiverSection):
    wakes: ClassVar[bool] = True

    kind: Literal["pagerduty"]
    routing_key: SecretRef
    webhook_secret: SecretRef | None = None
    url: HttpAddress = "https://events.pagerduty.com"


class AlertmanagerReceiver(ReceiverSection):
    kind: Literal["alertmanager"]
    url: HttpAddress
    token: SecretRef | None = None


class TeamsReceiver(ReceiverSection):
    kind: Literal["teams"]
    url: SecretRef


class JsmReceiver(ReceiverSection):
    wakes: ClassVar[bool] = True

    kind: Literal["jsm"]
    key: SecretRef
    url: HttpAddress = "https://api.atlassian.com/jsm/ops/integration/v2"


class JiraReceiver(ReceiverSection):
    kind: Literal["jira"]
    url: HttpAddress
    user: Text
    token: SecretRef
    project: Text
    issue_type: Text = "Task"
    done: Text = "Done"


class ServiceNowReceiver(ReceiverSection):
    kind: Literal["servicenow"]
    url: HttpAddress
    user: Text
    password: SecretRef


class EmailReceiver(ReceiverSection):
    kind: Literal["email"]
    host: Text
    port: Port = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password: SecretRef | None = None
    sender: Text
    to: Annotated[tuple[Text, ...], Field(min_length=1)]


class WebhookReceiver(ReceiverSection):
    kind: Literal["webhook"]
    url: HttpAddress
    secret: SecretRef


Receiver = Annotated[
    ConsoleReceiver
    | SlackReceiver
    | SlackWebhookReceiver
    | PagerDutyReceiver
    | AlertmanagerReceiver
    | TeamsReceiver
    | JsmReceiver
    | JiraReceiver
    | ServiceNowReceiver
    | EmailReceiver
    | WebhookReceiver,
    Field(discriminator="kind"),
]
