"""A post-mortem as Markdown: to be finished by people, in their own tools."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from dashboards.console import words
from dashboards.console.readmodels import IncidentView
from dashboards.console.readmodels.postmortem import Impact, PostMortem

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|!~])")
_LINES = re.compile(r"\s+")


def markdown(found: PostMortem, plots: Mapping[str, str]) -> str:
    """``plots``: the file of each plot, by its title."""
    return "\n".join(_lines(found, plots)).rstrip() + "\n"


def _lines(found: PostMortem, plots: Mapping[str, str]) -> Iterator[str]:
    view = found.incident
    line = view.line
    yield f"# Post-mortem of incident {line.id}: {plain(line.title)}"
    yield ""
    yield f"{line.severity}, {words.plain(line.cause)}, {line.state}. {found.url}"
    yield f"Written by vigil on {words.stamp(found.exported_at)}; finish it by hand."
    yield from _section("Summary")
    yield from (f"- {plain(text)}" for text in summary(found))
    yield from _times(view)
    yield from _section("Impact")
    yield from (f"- {plain(text)}" for text in impact_words(found.impact))
    if plots:
        yield from _section("What moved")
        for title, file in plots.items():
            yield f"![{plain(title)}]({file})\n"
    yield from _findings(view)
    yield from _changes(found)
    yield from _done(view)
    yield from _todo(view)
    yield from _section("Timeline")
    for entry in view.timeline:
        by = f" ({plain(entry.actor)})" if entry.actor not in ("", "vigil") else ""
        yield f"- {words.stamp(entry.at)} **{words.plain(entry.kind)}** {plain(entry.text)}{by}"
    yield from _section("What went well, what did not, where we were lucky")
    yield "(for people to write)"


def _times(view: IncidentView) -> Iterator[str]:
    yield from _section("Times")
    yield "| step | at | since the onset |"
    yield "|---|---|---|"
    for stop in view.milestones:
        at = words.stamp(stop.at) if stop.at else "not reached"
        after = words.duration(stop.since_onset_s) if stop.since_onset_s is not None else ""
        yield f"| {stop.name} | {at} | {after} |"
    yield ""
    for one in view.times:
        told = "not reached"
        if one.seconds is not None:
            told = f"{words.duration(one.seconds)} (from the {one.since})"
        yield f"- Time to {one.step}: {told}"


def _changes(found: PostMortem) -> Iterator[str]:
    yield from _section("What changed before")
    if found.changes:
        for change in found.changes:
            yield f"- {words.stamp(change.at)} **{change.kind}** {plain(change.text)}"
    else:
        yield f"Nothing that vigil knows of, since {words.stamp(found.changes_since)}."


def _done(view: IncidentView) -> Iterator[str]:
    yield from _section("What was done")
    for action in view.actions:
        yield f"- **{action.kind}** {action.state}: {plain(action.summary)} {plain(action.result)}"
        for reason in action.reasons:
            favour = "in favour: " if reason.outcome == "allow" else ""
            yield f"  - {favour}{plain(reason.text)}"
    if not view.actions:
        yield "Nothing automatic."
    decisions = [one for one in view.timeline if one.kind == "decision"]
    if decisions:
        yield from _section("Decisions")
        yield from (f"- {words.stamp(one.at)} {plain(one.text)}" for one in decisions)


def _todo(view: IncidentView) -> Iterator[str]:
    yield from _section("Corrective actions")
    for todo in view.followups:
        box = "x" if todo.state == "done" else " "
        due = f", due {todo.due_at:%Y-%m-%d}" if todo.due_at else ""
        state = " **overdue**" if todo.overdue else "" if todo.state == "open" else f" {todo.state}"
        who = plain(todo.owner) or "nobody yet"
        yield f"- [{box}] F-{todo.id} {plain(todo.text)} ({who}{due}){state}"
    if not view.followups:
        yield f'None yet: `vigil followups add {view.line.id} "..." --owner ... --due ...`'


def _section(title: str) -> Iterator[str]:
    yield ""
    yield f"## {title}"
    yield ""


def _findings(view: IncidentView) -> Iterator[str]:
    if not view.findings:
        return
    yield from _section("What vigil found")
    yield "| signal | slice | effect | 95 % interval | tolerance |"
    yield "|---|---|---|---|---|"
    for one in view.findings[:12]:
        name = f"| {words.plain(one.signal)} | {plain(one.slice)} |"
        if one.effect is None:
            yield f"{name} {plain(one.reason)} | | |"
        else:
            low, high = words.number(one.effect.low), words.number(one.effect.high)
            yield (
                f"{name} {words.number(one.effect.value)} {one.effect.unit} | {low} to {high} | "
                f"{words.number(one.effect.tolerance)} |"
            )


def summary(found: PostMortem) -> list[str]:
    """The story in a few sentences, from what is known."""
    view, impact = found.incident, found.impact
    line = view.line
    where = f"{line.model} {line.version} in {line.deployment}, {line.slice}"
    lasted = words.duration((impact.end - impact.start).total_seconds())
    until = f"It lasted {lasted}." if impact.over else f"It has lasted {lasted} and is not over."
    told = [f"{line.title}. Where: {where}.", f"It began {words.stamp(impact.start)}. {until}"]
    told += [reason[:1].upper() + reason[1:].rstrip(".") + "." for reason in view.reasons[:3]]
    told += [one.result for one in view.actions if one.result]
    if view.repeat is not None:
        told.append(view.repeat.text)
    if line.disposition:
        told.append(f"People called it: {words.plain(line.disposition)}.")
    return told


def impact_words(impact: Impact) -> list[str]:
    """What it touched, in sentences."""
    about = "" if impact.exact else "about "
    share = f" ({words.share(impact.inferences / impact.of_all)} of all)" if impact.of_all else ""
    told = [f"Inferences in the affected slice: {about}{words.count(impact.inferences)}{share}."]
    if impact.slices:
        told.append(
            "Other slices that it named: "
            + ", ".join(f"{name} {about}{words.count(count)}" for name, count in impact.slices)
            + "."
        )
    if impact.wrong_share is None:
        told.append("How many were wrong is not known: no labels of that time.")
    else:
        usual = (
            f", {words.share(impact.wrong_share_before)} in the week before"
            if impact.wrong_share_before is not None
            else ""
        )
        told.append(
            f"Wrong, as far as {words.count(impact.labelled)} labels know: "
            f"{words.share(impact.wrong_share)}{usual}."
        )
    if impact.cost is not None:
        told.append(
            f"Cost of what was wrong beyond the usual: about {impact.cost:,.0f} {impact.currency}."
        )
    return told


def plain(text: str) -> str:
    """Text that strangers may have chosen, on one line and without markup."""
    return _SPECIAL.sub(r"\\\1", _LINES.sub(" ", text)).strip()
