"""Where a pod template, or anything shaped like one, says which model version it serves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

Kind = Literal["label", "annotation", "image", "env"]


@dataclass(frozen=True, kw_only=True, slots=True)
class VersionPlace:
    """``label:KEY``, ``annotation:KEY``, ``env:NAME`` of any container, or ``image:CONTAINER``,
    whose tag is the version."""

    kind: Kind
    key: str

    @classmethod
    def parse(cls, text: str) -> VersionPlace:
        """Raises:
        ValueError: not such a place.
        """
        kind, _, key = text.partition(":")
        for known in get_args(Kind):
            if kind == known and key:
                return cls(kind=known, key=key)
        raise ValueError("expected label:KEY, annotation:KEY, env:NAME or image:CONTAINER")

    def version_in(self, template: dict[str, Any]) -> str | None:
        """The version that pods of this template serve; None where it doesn't say."""
        meta = template.get("metadata") or {}
        if self.kind in ("label", "annotation"):
            found = (meta.get(f"{self.kind}s") or {}).get(self.key)
            return str(found) if found else None
        for container in (template.get("spec") or {}).get("containers") or ():
            if self.kind == "image" and container.get("name") == self.key:
                return _tag(str(container.get("image", "")))
            if self.kind == "env":
                for variable in container.get("env") or ():
                    if variable.get("name") == self.key:
                        return variable.get("value") or None
        return None


def _tag(image: str) -> str | None:
    """Of ``registry:5000/name:tag@sha256:...`` the tag; the digest where there is no tag."""
    name, _, digest = image.partition("@")
    _, colon, tag = name.rpartition("/")[2].partition(":")
    return (tag if colon else digest) or None
