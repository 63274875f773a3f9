"""Issues and comments in Jira's document format: a tree of texts, in which no markup is read."""

from __future__ import annotations

import json
import re
from typing import Any

from alerts.notifiers import parts
from alerts.notifiers.fit import clip, shrunk
from alerts.types import Message

MAX_SUMMARY = 255
MAX_TEXT = 32_767
MAX_LABEL = 255

Node = dict[str, Any]


def label_of(message: Message) -> str:
    """The label by which the incident's issue is found; labels hold no spaces."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", message.thread_key)[:MAX_LABEL]


def issue(message: Message, *, project: str, issue_type: str) -> Node:
    """The body that makes the issue."""
    return {
        "fields": {
            "project": {"key": project},
            "issuetype": {"name": issue_type},
            "summary": clip(parts.title(message), MAX_SUMMARY),
            "labels": ["vigil", label_of(message)],
            "description": _fitting(message, brief=False),
        }
    }


def comment(message: Message) -> Node:
    """The body of a comment: what is new, or the whole where a page says it all again."""
    return {"body": _fitting(message, brief=True)}


def _fitting(message: Message, *, brief: bool) -> Node:
    return shrunk(
        lambda limit: _document(message, limit, brief=brief),
        lambda made: len(json.dumps(made)),
        MAX_TEXT,
    )


def _document(message: Message, limit: int, *, brief: bool) -> Node:
    told = parts.news(message) if brief else ""
    if told:
        blocks = [_paragraph(_text(clip(told, limit)))]
    else:
        blocks = [_paragraph(_text(clip(parts.title(message), limit), "strong"))] if brief else []
        for part in parts.parts(message):
            blocks.append(_paragraph(_text(part.label, "strong")))
            blocks += [_paragraph(_text(clip(text, limit))) for text in part.texts]
    for link in parts.links(message):
        mark = {"type": "link", "attrs": {"href": link.href}}
        blocks.append(
            _paragraph({"type": "text", "text": clip(link.text, 100) or "link", "marks": [mark]})
        )
    return {
        "type": "doc",
        "version": 1,
        "content": [*blocks, _paragraph(_text(parts.mark(message)))],
    }


def _paragraph(node: Node) -> Node:
    return {"type": "paragraph", "content": [node]}


def _text(text: str, *marks: str) -> Node:
    node: Node = {"type": "text", "text": text or "–"}
    return {**node, "marks": [{"type": mark} for mark in marks]} if marks else node
