"""The label queues that the settings name."""

from __future__ import annotations

from alerts.actions.queues.files import FileLabelQueue
from alerts.actions.queues.protocol import LabelQueue
from monitor.settings.labelling import FilesQueue
from monitor.settings.schema import Settings, WatchedModel

Family = tuple[str, str]


def label_queues(settings: Settings) -> dict[Family, LabelQueue]:
    """The queue of each model that has one."""
    queues = {}
    for watched in settings.models:
        queue = open_queue(watched)
        if queue is not None:
            queues[watched.name, watched.deployment] = queue
    return queues


def open_queue(watched: WatchedModel) -> LabelQueue | None:
    """The queue of one model; None where it has none."""
    rules = watched.relabel.waits_in
    if isinstance(rules, FilesQueue):
        return FileLabelQueue(rules.url, class_names=watched.class_names)
    return None
