"""What the texts that a reader (OCR) read say, as signals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.signals.declare import signal
from vigil.signals.scripts import OTHER, SCRIPTS
from vigil.signals.view import View

UNSURE = 0.5


def _script(view: View, name: str) -> Any:
    return None if view.texts is None else view.scripts[:, SCRIPTS.index(name)]


@signal(
    "text_length",
    unit="characters",
    high=256.0,
    description="characters of the text",
)
def text_length(view: View) -> Any:
    return None if view.texts is None else np.array([len(text) for text in view.texts], float)


@signal(
    "text_confidence",
    unit="probability",
    harm="lower",
    description="mean confidence of the text's characters; 0 without any",
)
def text_confidence(view: View) -> Any:
    return None if view.characters is None else _mean(view.characters, lambda p: p)


@signal(
    "text_unsure",
    unit="share of characters",
    harm="higher",
    description="characters whose confidence is below 1/2; 0 without any",
)
def text_unsure(view: View) -> Any:
    return None if view.characters is None else _mean(view.characters, lambda p: p < UNSURE)


@signal("text_digits", unit="share of letters and digits", description="digits")
def text_digits(view: View) -> Any:
    return _script(view, "digits")


@signal("text_latin", unit="share of letters and digits", description="Latin letters")
def text_latin(view: View) -> Any:
    return _script(view, "latin")


@signal("text_cyrillic", unit="share of letters and digits", description="Cyrillic letters")
def text_cyrillic(view: View) -> Any:
    return _script(view, "cyrillic")


@signal("text_arabic", unit="share of letters and digits", description="Arabic letters")
def text_arabic(view: View) -> Any:
    return _script(view, "arabic")


@signal(
    "text_cjk",
    unit="share of letters and digits",
    description="Chinese, Japanese and Korean characters",
)
def text_cjk(view: View) -> Any:
    return _script(view, "cjk")


@signal(
    "text_other",
    unit="share of letters and digits",
    description="letters of any other script",
)
def text_other(view: View) -> Any:
    if view.texts is None:
        return None
    return view.scripts[:, [SCRIPTS.index("greek"), OTHER]].sum(axis=1)


def _mean(characters: Sequence[NDArray[np.float64]], of: Any) -> NDArray[np.float64]:
    """Mean of a function of the characters' confidences, of each text."""
    sizes = np.array([np.size(one) for one in characters])
    flat = np.concatenate([np.reshape(one, -1) for one in characters]) if len(sizes) else sizes
    values = np.where(np.isfinite(flat), of(flat), np.nan)
    row = np.repeat(np.arange(len(sizes)), sizes)
    total = np.bincount(row, weights=values, minlength=len(sizes))
    return np.asarray(total / np.maximum(sizes, 1))
