"""The label queues that the settings name."""

from __future__ import annotations

from collections.abc import Mapping

from alerts.actions.queues.cvat import CvatQueue
from alerts.actions.queues.files import FileLabelQueue
from alerts.actions.queues.label_studio import LabelStudioQueue
from alerts.actions.queues.labelbox import LabelboxQueue
from alerts.actions.queues.protocol import LabelQueue
from monitor.settings import labelling
from monitor.settings.schema import Settings, WatchedModel
from monitor.settings.secrets import read_secret

Family = tuple[str, str]
WEBHOOK = "/v1/inbound/label-studio"


def label_queues(settings: Settings) -> dict[Family, LabelQueue]:
    """The queue of each model that has one.

    Raises:
        ConfigError: a secret that is not there.
    """
    queues = {}
    for watched in settings.models:
        queue = open_queue(watched, url=settings.service.url)
        if queue is not None:
            queues[watched.name, watched.deployment] = queue
    return queues


def open_queue(watched: WatchedModel, *, url: str) -> LabelQueue | None:
    """The queue of one model; None where it has none. ``url`` is where this service is reached."""
    rules, key = watched.relabel.waits_in, f"models.{watched.name}.relabel.queue"
    title = f"vigil {watched.name} {watched.deployment}"
    boxes = watched.relabel.labels == "boxes"
    if isinstance(rules, labelling.FilesQueue):
        return FileLabelQueue(rules.url, class_names=watched.class_names, formats=rules.formats)
    if isinstance(rules, labelling.LabelStudioQueue):
        return LabelStudioQueue(
            rules.url,
            read_secret(rules.token, key=f"{key}.token").reveal(),
            class_names=watched.class_names,
            title=title,
            project=rules.project,
            annotators=watched.relabel.annotators,
            webhook=_webhook(rules, key, url),
            boxes=boxes,
        )
    if isinstance(rules, labelling.CvatQueue):
        return CvatQueue(
            rules.url,
            read_secret(rules.token, key=f"{key}.token").reveal(),
            class_names=watched.class_names,
            title=title,
            project=rules.project,
            boxes=boxes,
        )
    if isinstance(rules, labelling.LabelboxQueue):
        return LabelboxQueue(
            read_secret(rules.token, key=f"{key}.token").reveal(),
            class_names=watched.class_names,
            project=rules.project,
            dataset=rules.dataset,
            url=rules.url,
        )
    return None


def _webhook(
    rules: labelling.LabelStudioQueue, key: str, url: str
) -> tuple[str, Mapping[str, str]] | None:
    if rules.webhook_token is None:
        return None
    token = read_secret(rules.webhook_token, key=f"{key}.webhook_token").reveal()
    return f"{url.rstrip('/')}{WEBHOOK}", {"Authorization": f"Bearer {token}"}
