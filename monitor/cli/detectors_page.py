"""The page of detectors, written from their docstrings."""

from __future__ import annotations

import inspect
import re

import detectors
from detectors.registry import class_of

PARAGRAPHS = ("Statistic", "Effect", "Test", "Cost", "Not for", "Source")
"""What the docstring of every detector's class has to say."""

_HEAD = """# Detectors

A detector compares a reference sample with a current one, once. `detectors.get(name)` gives one
that works without a service; `alpha`, `tolerance` and the rest are arguments of its constructor.
It says `drifted` only where its test rejects *and* the whole 95 % interval of the effect lies
beyond the tolerance. *Exact*: the stated false-alarm rate holds at any sample size for
exchangeable records; *bound*: it is no more than stated; *approximate*: in the limit of large
samples; *none*: there is no test, the interval decides. Looking again and again at one stream is
another question, and what the service's evidence is for. Costs were measured on one core.
*Written from the source by `make docs`.*

| detector | takes | exactness | what it computes |
|---|---|---|---|
"""


def paragraphs(name: str) -> dict[str, str]:
    """The paragraphs of a detector's docstring by their first word, each on one line."""
    found = {}
    for block in re.split(r"\n\s*\n", inspect.getdoc(class_of(name)) or ""):
        word, colon, rest = block.partition(":")
        if colon and word in PARAGRAPHS:
            found[word] = _line(rest)
    return found


def page() -> str:
    """Every registered detector, as Markdown."""
    rows, parts = [], []
    for name in detectors.names():
        made = detectors.get(name)
        summary = _line((inspect.getdoc(class_of(name)) or "").partition("\n\n")[0])
        rows.append(
            f"| [`{name}`](#{name}) | {made.takes} | {made.exactness} "
            f"| {summary.replace('|', chr(92) + '|')} |\n"
        )
        lines = [f"- **{word}**: {text}\n" for word, text in paragraphs(name).items()]
        parts.append(f"\n## {name}\n\n{summary}\n\n{''.join(lines)}")
    return _HEAD + "".join(rows) + "".join(parts)


def _line(text: str) -> str:
    return re.sub(r"``(.+?)``", r"`\1`", " ".join(text.split()))
