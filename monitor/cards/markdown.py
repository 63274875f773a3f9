"""A model's report as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from dashboards.console import words
from dashboards.console.readmodels.card import CardTable, ModelCard
from monitor.postmortem.markdown import plain


def markdown(card: ModelCard) -> str:
    """The whole report; texts that strangers may have chosen carry no markup."""
    return "\n".join(_lines(card)).rstrip() + "\n"


def _lines(card: ModelCard) -> Iterator[str]:
    yield f"# {plain(card.model)} in {plain(card.deployment)}"
    yield ""
    yield f"{words.stamp(card.since)} to {words.stamp(card.until)}. {card.url}"
    yield ""
    yield from (f"- {plain(name)}: {plain(value)}" for name, value in card.facts)
    for section in card.sections:
        yield ""
        yield f"## {section.title}"
        yield ""
        yield from (f"- {plain(text)}" for text in section.sentences)
        for table in section.tables:
            yield ""
            yield from _table(table)


def _table(table: CardTable) -> Iterator[str]:
    yield f"| {' | '.join(table.columns)} |"
    marks = ("---:" if place in table.numeric else "---" for place in range(len(table.columns)))
    yield f"|{'|'.join(marks)}|"
    for row in table.rows:
        yield f"| {' | '.join(plain(cell) for cell in row)} |"
