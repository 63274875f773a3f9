"""A post-mortem as files: one self-contained page, or Markdown with its plots beside it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from dashboards.console.postmortem import render_postmortem, stand_alone_plots
from dashboards.console.readmodels.postmortem import PostMortem
from monitor.postmortem.markdown import impact_words, markdown, summary

Form = Literal["md", "html"]


def page(found: PostMortem) -> str:
    """The whole post-mortem as one HTML page without any outside resource."""
    return render_postmortem(found, summary=summary(found), impact=impact_words(found.impact))


def files(found: PostMortem, form: Form) -> Mapping[str, str]:
    """The files of an export by name; the first is the one to open."""
    stem = f"incident-{found.incident.line.id}"
    if form == "html":
        return {f"{stem}.html": page(found)}
    plots = stand_alone_plots(found.incident)
    named = {title: f"{stem}-{place}.svg" for place, title in enumerate(plots, start=1)}
    text = markdown(found, named)
    return {f"{stem}.md": text, **{named[title]: svg for title, svg in plots.items()}}


def write(found: PostMortem, form: Form, folder: Path) -> list[Path]:
    """Write the files, each whole or not at all.

    Raises:
        OSError: the folder can't be made or written.
    """
    return [put(folder, name, text) for name, text in files(found, form).items()]


def put(folder: Path, name: str, text: str) -> Path:
    """Write a file into a folder, whole or not at all.

    Raises:
        OSError: the folder can't be made or written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{name}-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    Path(temporary).chmod(0o644)
    Path(temporary).replace(folder / name)
    return folder / name
