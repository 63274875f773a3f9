"""The project that holds our tasks: found, or made, and its labelling interface checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

from alerts.actions.queues.label_studio_answers import BOXES, CONTROL
from alerts.actions.queues.protocol import NONE_CHOICE, LabelQueueError
from alerts.actions.queues.service import LabelService

_MOST_TITLE = 50
_EVENTS = ("ANNOTATION_CREATED", "ANNOTATION_UPDATED")


class LabelStudioProject:
    """Set up once, when it is first needed; again after ``forget``. See ``LabelStudioQueue``."""

    def __init__(
        self,
        api: LabelService,
        *,
        class_names: Sequence[str],
        title: str,
        number: int | None,
        annotators: int,
        webhook: tuple[str, Mapping[str, str]] | None,
        boxes: bool,
    ) -> None:
        self._api = api
        self._class_names = tuple(class_names)
        self._title = title[:_MOST_TITLE]
        self._given = number
        self._annotators = annotators
        self._webhook = webhook
        self._boxes = boxes
        self._ready: int | None = None

    def ready(self) -> int:
        """The project's number.

        Raises:
            LabelQueueError: no answer, or a project whose interface lacks our classes.
        """
        if self._ready is None:
            project = self._given_one() if self._given is not None else self._own()
            self._check(project)
            self._ready = int(project["id"])
            self._hook(self._ready)
        return self._ready

    def forget(self) -> None:
        """It may be gone: look again the next time."""
        self._ready = None

    def _given_one(self) -> dict[str, Any]:
        answer = self._api.ask("GET", f"/projects/{self._given}", accept=(404,))
        if answer.status == 404:
            raise LabelQueueError(f"Label Studio: expected project {self._given}, found none")
        return answer.object()

    def _own(self) -> dict[str, Any]:
        """The oldest of our title: two of us may have made one at the same time."""
        found = self._of_our_title()
        if not found:
            self._api.object(
                "POST",
                "/projects",
                {
                    "title": self._title,
                    "description": "Images that vigil picked; it takes the labels back.",
                    "label_config": interface(self._class_names, boxes=self._boxes),
                    "maximum_annotations": self._annotators,
                    "show_collab_predictions": True,
                },
            )
            found = self._of_our_title()
        if not found:
            raise self._api.strange("projects")
        return min(found, key=lambda project: int(project["id"]))

    def _of_our_title(self) -> list[dict[str, Any]]:
        params = {"title": self._title, "page_size": "100"}
        results = self._api.object("GET", "/projects", params=params).get("results")
        return [
            one
            for one in (results if isinstance(results, list) else [])
            if isinstance(one, dict) and one.get("title") == self._title and "id" in one
        ]

    def _check(self, project: Mapping[str, Any]) -> None:
        config = project.get("parsed_label_config")
        name, kind = (BOXES, "RectangleLabels") if self._boxes else (CONTROL, "Choices")
        control = config.get(name) if isinstance(config, dict) else None
        labels = control.get("labels") if isinstance(control, dict) else None
        missing = [name for name in self._class_names if name not in (labels or [])]
        if missing or "id" not in project:
            raise LabelQueueError(
                f"Label Studio: project {project.get('id')}: expected {kind} named {name!r} "
                f"with all {len(self._class_names)} classes, missing {', '.join(missing[:5])}"
            )

    def _hook(self, project: int) -> None:
        """Ask to be told, where we are to be."""
        if self._webhook is None:
            return
        url, headers = self._webhook
        there = self._api.ask("GET", "/webhooks/", params={"project": str(project)}).json()
        mine = [one for one in there or [] if isinstance(one, dict) and one.get("url") == url]
        if not mine:
            self._api.ask(
                "POST",
                "/webhooks/",
                {
                    "project": project,
                    "url": url,
                    "headers": dict(headers),
                    "send_payload": False,
                    "send_for_all_actions": False,
                    "actions": list(_EVENTS),
                },
            )


def interface(class_names: Sequence[str], *, boxes: bool = False) -> str:
    """What a labeller sees: the image, what it is about, the classes and "none of these"; or the
    classes of boxes, where an image without any has no such object."""
    if boxes:
        kinds = "".join(f"<Label value={quoteattr(name)}/>" for name in class_names)
        return (
            '<View><Text name="about" value="$about"/><Image name="image" value="$image"/>'
            f'<RectangleLabels name="{BOXES}" toName="image">{kinds}</RectangleLabels></View>'
        )
    choices = "".join(f"<Choice value={quoteattr(name)}/>" for name in (*class_names, NONE_CHOICE))
    return (
        '<View><Image name="image" value="$image"/><Text name="about" value="$about"/>'
        f'<Choices name="{CONTROL}" toName="image" choice="single" required="true" '
        f'showInline="true">{choices}</Choices></View>'
    )
