"""Forms with files, as browsers send them (multipart/form-data)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class FormFile:
    """A file of a form: the field that it is for, its name, its type and its bytes."""

    field: str
    name: str
    kind: str
    raw: bytes


def multipart(fields: Mapping[str, str], files: Sequence[FormFile]) -> tuple[bytes, str]:
    """The body of a form, and its content type."""
    boundary = uuid.uuid4().hex
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    for file in files:
        head = f'name="{file.field}"; filename={json.dumps(file.name)}'
        parts.append(
            f"--{boundary}\r\nContent-Disposition: form-data; {head}\r\n"
            f"Content-Type: {file.kind}\r\n\r\n".encode()
            + file.raw
            + b"\r\n"
        )
    parts.append(f"--{boundary}--\r\n".encode())
    return b"".join(parts), f"multipart/form-data; boundary={boundary}"
