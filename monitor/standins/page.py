"""The stand-ins' page: what people would have on their screens, side by side."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from html import escape
from importlib import resources
from typing import Any

from monitor.standins.mrkdwn import emoji, to_html
from monitor.standins.pagerduty import PagerDutyIncident, PagerDutyStandIn
from monitor.standins.pipeline import PipelineStandIn
from monitor.standins.slack import SlackMessage, SlackStandIn
from vigil.types import utc

_REFRESH_S = 3


def render(
    slack: SlackStandIn,
    pagerduty: PagerDutyStandIn,
    pipeline: PipelineStandIn,
    *,
    now: datetime,
) -> str:
    """The whole page, with its style inside; it reloads itself and needs no script."""
    style = resources.files("monitor.standins").joinpath("page.css").read_text("utf-8")
    pages = len(pagerduty.incidents)
    woken = f"{pages} page{'' if pages == 1 else 's'}"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="{_REFRESH_S}">
<title>What vigil sent: {woken}, {len(slack.messages)} in Slack</title>
<style>{style}</style></head><body>
<header class="top"><h1>What vigil sent</h1>
<p>Local stand-ins for Slack and PagerDuty. They check the real services' contracts, and nothing
leaves this machine.</p><time>{now:%H:%M:%S} UTC</time></header>
<main>
<section class="slack" aria-label="Slack">{_slack(slack)}</section>
<section class="side">
<div class="panel"><h2><span class="logo pd">P</span>PagerDuty
<span class="count">{woken}</span></h2>{_pagerduty(pagerduty)}</div>
{_pipeline(pipeline)}{_refused(slack, pagerduty)}
</section>
</main></body></html>
"""


def _slack(slack: SlackStandIn) -> str:
    messages = list(slack.messages)
    if not messages:
        return (
            '<h2><span class="logo sl">S</span>Slack</h2>'
            '<p class="empty">Nothing yet. Healthy traffic is quiet: a message here means that '
            "vigil found something.</p>"
        )
    channels = dict.fromkeys(message.channel_name for message in messages)
    return "".join(
        f'<h2><span class="logo sl">#</span>{escape(channel)}'
        f'<span class="count">{_count(mine, "message")}</span></h2>'
        + "".join(_message(message) for message in mine)
        for channel in channels
        if (mine := [message for message in messages if message.channel_name == channel])
    )


def _count(things: list[Any], word: str) -> str:
    return f"{len(things)} {word}{'' if len(things) == 1 else 's'}"


def _message(message: SlackMessage) -> str:
    content = message.content
    edited = (
        f'<span class="edited">edited {_clock(message.edited_ts)}</span>' if message.edits else ""
    )
    blocks = "".join(_block(block) for block in content.get("blocks") or [])
    for attachment in content.get("attachments") or []:
        inner = "".join(_block(block) for block in attachment.get("blocks") or [])
        colour = escape(str(attachment.get("color", "#888")))
        blocks += f'<div class="attachment" style="border-color:{colour}">{inner}</div>'
    return (
        f'<article class="message">{_who(message, edited)}'
        f"{blocks or to_html(str(content.get('text', '')))}{_thread(message.replies)}"
        "</div></article>"
    )


def _who(message: SlackMessage, edited: str = "") -> str:
    return (
        '<div class="avatar" aria-hidden="true">v</div><div class="body"><div class="who">'
        f'<b>vigil</b><span class="app">APP</span><time>{_clock(message.ts)}</time>{edited}</div>'
    )


def _thread(replies: list[SlackMessage]) -> str:
    if not replies:
        return ""
    word = "reply" if len(replies) == 1 else "replies"
    inner = "".join(
        f"<li><time>{_clock(reply.ts)}</time><p>{to_html(str(reply.content.get('text', '')))}"
        f"{_files(reply)}</p></li>"
        for reply in replies
    )
    return f'<div class="thread"><div class="n">{len(replies)} {word}</div><ol>{inner}</ol></div>'


def _files(reply: SlackMessage) -> str:
    return "".join(
        f'<span class="file">{escape(str(each["title"]))} ({escape(str(each["name"]))})</span>'
        for each in reply.content.get("files") or []
    )


def _block(block: dict[str, Any]) -> str:
    kind = block.get("type")
    if kind == "header":
        return f"<h3>{emoji(escape(block['text']['text']))}</h3>"
    if kind == "section":
        text = f"<p>{to_html(block['text']['text'])}</p>" if "text" in block else ""
        fields = "".join(f"<p>{to_html(each['text'])}</p>" for each in block.get("fields") or [])
        return text + (f'<div class="fields">{fields}</div>' if fields else "")
    if kind == "context":
        return "".join(
            f'<p class="context">{to_html(each.get("text", ""))}</p>' for each in block["elements"]
        )
    if kind == "actions":
        shown = "".join(
            f'<span class="button {escape(str(each.get("style", "")))}">'
            f"{escape(str(each['text']['text']))}</span>"
            for each in block["elements"]
        )
        return f'<p class="buttons">{shown}</p>'
    return "<hr>" if kind == "divider" else ""


def _pagerduty(pagerduty: PagerDutyStandIn) -> str:
    incidents, changes = list(pagerduty.incidents), list(pagerduty.changes)
    if not incidents and not changes:
        return '<p class="empty">Nobody was woken.</p>'
    shown = "".join(_incident(each) for each in incidents)
    if changes:
        shown += "<h4>Change events</h4><ul class='plain'>" + "".join(
            f"<li><time>{_iso_clock(change['at'])}</time>"
            f"<p>{escape(str(change['payload']['summary']))}</p></li>"
            for change in changes
        )
        shown += "</ul>"
    return shown


def _incident(incident: PagerDutyIncident) -> str:
    payload = incident.event.get("payload") or {}
    severity = escape(str(payload.get("severity", "")))
    links = " · ".join(
        f'<a href="{_href(link.get("href"))}" rel="noreferrer">{escape(str(link.get("text")))}</a>'
        for link in incident.event.get("links") or []
    )
    details = payload.get("custom_details") or {}
    rows = "".join(
        f"<dt>{escape(str(name))}</dt><dd>{_detail(value)}</dd>"
        for name, value in details.items()
        if name != "message id"
    )
    log = "".join(
        f"<li><time>{at:%H:%M:%S}</time><p>{escape(what)}</p></li>" for at, what in incident.log
    )
    return (
        f'<article class="page {severity}"><div class="tags">'
        f'<span class="tag {incident.state}">{incident.state}</span>'
        f'<span class="tag sev">{severity}</span></div>'
        f"<h3>{escape(str(payload.get('summary', '')))}</h3>"
        f'<p class="links">{links}</p>'
        f"<details{_open(incident)}><summary>Details</summary><dl>{rows}</dl></details>"
        f'<ul class="plain log">{log}</ul></article>'
    )


def _open(incident: PagerDutyIncident) -> str:
    return "" if incident.state == "resolved" else " open"


def _detail(value: Any) -> str:
    if isinstance(value, list):
        return "<br>".join(escape(str(each)) for each in value)
    return escape(str(value))


def _pipeline(pipeline: PipelineStandIn) -> str:
    requests = list(pipeline.requests)
    if not requests:
        return ""
    rows = "".join(
        f"<li><b>{escape(each['action'])}</b><p>{escape(str(each['plan']['model']))} "
        f"{escape(str(each['plan']['from_version']))} → {escape(str(each['plan']['to_version']))}: "
        f"{escape(each['state'])}. {escape(each['text'])}</p></li>"
        for each in requests
    )
    return (
        '<div class="panel"><h2><span class="logo pl">⇄</span>Deployment pipeline</h2>'
        f'<ul class="plain">{rows}</ul></div>'
    )


def _refused(slack: SlackStandIn, pagerduty: PagerDutyStandIn) -> str:
    """Contract violations: on a good day there are none, and the page says so."""
    rows: Iterable[str] = [
        *(f"Slack, {each['method']}: {each['error']}" for each in list(slack.refused)),
        *(f"PagerDuty: {each['status']} {each['why']}" for each in list(pagerduty.refused)),
        *(
            f"PagerDuty dropped: {each['event_action']} of {each['dedup_key']}"
            for each in list(pagerduty.dropped)
        ),
    ]
    shown = "".join(f"<li><p>{escape(row)}</p></li>" for row in rows)
    if not shown:
        return '<p class="fine">Every request kept its contract.</p>'
    return f'<div class="panel bad"><h2>Refused</h2><ul class="plain">{shown}</ul></div>'


def _href(href: Any) -> str:
    text = str(href)
    return escape(text) if text.startswith(("http://", "https://")) else "#"


def _clock(ts: str) -> str:
    return f"{utc(float(ts)):%H:%M:%S}"


def _iso_clock(text: str) -> str:
    return f"{datetime.fromisoformat(text):%H:%M:%S}"
