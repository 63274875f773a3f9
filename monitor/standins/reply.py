"""What a stand-in answers to one HTTP request."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def header(self, name: str) -> str | None:
        return next(
            (value for key, value in self.headers.items() if key.lower() == name.lower()), None
        )

    def json(self) -> dict[str, Any] | None:
        """The body as a JSON object; None where it is not one."""
        try:
            plain = json.loads(self.body or b"{}")
        except ValueError:
            return None
        return plain if isinstance(plain, dict) else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """``lost``: the connection breaks instead of an answer."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    lost: bool = False


def as_json(plain: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(
        status=status, body=json.dumps(plain, ensure_ascii=False).encode(), headers=headers or {}
    )
