"""What is watched: one signal on one slice of one model's traffic."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from vigil.types import Slice


@dataclass(frozen=True, slots=True, order=True)
class StreamKey:
    """One stream of scores. The version is not part of it: the history of v1 judges v2."""

    model: str
    deployment: str
    slice: Slice
    signal: str

    @property
    def id(self) -> str:
        """The key as JSON text, whatever characters the metadata holds."""
        return json.dumps(self.to_json(), ensure_ascii=False)

    @property
    def keys(self) -> tuple[str, ...]:
        """The metadata keys of the slice; streams with the same keys are siblings."""
        return tuple(key for key, _ in self.slice.pairs)

    @property
    def level(self) -> int:
        """0 for the whole model, 1 for ``key=value``, 2 for anything finer."""
        return min(2, len(self.slice.pairs))

    def to_json(self) -> list[Any]:
        """The key as a JSON value, for the header of a state."""
        return [self.model, self.deployment, [list(pair) for pair in self.slice.pairs], self.signal]

    @classmethod
    def from_json(cls, entry: Any) -> StreamKey:
        """Read what ``to_json`` wrote.

        Raises:
            TypeError, ValueError: something else.
        """
        model, deployment, pairs, signal = entry
        return cls(model, deployment, Slice(tuple((str(k), str(v)) for k, v in pairs)), signal)

    @classmethod
    def parse(cls, text: str) -> StreamKey:
        """Read what ``id`` wrote.

        Raises:
            ValueError: the text is not a stream id.
        """
        try:
            model, deployment, pairs, signal = json.loads(text)
            cut = tuple((str(key), str(value)) for key, value in pairs)
        except (TypeError, ValueError):
            raise ValueError(f"stream id: expected a JSON list of 4, found {text!r}") from None
        if not all(isinstance(part, str) for part in (model, deployment, signal)):
            raise ValueError(f"stream id: expected texts, found {text!r}")
        return cls(model, deployment, Slice(cut), signal)
