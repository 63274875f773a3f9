"""Uploads in three steps, as Slack has them: an address, the bytes, and where they are shown."""

from __future__ import annotations

import json
from typing import Any

from monitor.standins.reply import Reply, Request


class SlackFiles:
    """``shown`` are the files that were completed; what never is nobody sees."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.shown: dict[str, dict[str, Any]] = {}
        self._expected: dict[str, tuple[str, int]] = {}

    def address(self, arguments: dict[str, Any], base: str) -> dict[str, Any]:
        """``files.getUploadURLExternal``."""
        name, length = str(arguments.get("filename") or ""), str(arguments.get("length") or "")
        if not name or not length.isdigit() or int(length) == 0:
            return {"ok": False, "error": "invalid_arguments"}
        file_id = f"F0STANDIN{len(self._expected) + 1:03d}"
        self._expected[file_id] = (name, int(length))
        return {"ok": True, "upload_url": f"{base}/slack/upload/{file_id}", "file_id": file_id}

    def take(self, request: Request, file_id: str) -> Reply:
        """The bytes, as many as were announced."""
        expected = self._expected.get(file_id)
        if expected is None:
            return Reply(status=404, body=b"not found", content_type="text/plain")
        if len(request.body) != expected[1]:
            return Reply(status=400, body=b"wrong length", content_type="text/plain")
        self.contents[file_id] = request.body
        return Reply(body=f"OK - {expected[1]}".encode(), content_type="text/plain")

    def complete(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """``files.completeUploadExternal``: ``files`` of the answer are shown from now on."""
        listed = arguments.get("files")
        try:
            files = (json.loads(listed) if isinstance(listed, str) else listed) or []
            ids = [str(each["id"]) for each in files]
        except (ValueError, TypeError, KeyError):
            return {"ok": False, "error": "invalid_arguments"}
        if not ids or any(each not in self.contents for each in ids):
            return {"ok": False, "error": "file_not_found"}
        if any(each in self.shown for each in ids):
            return {"ok": False, "error": "file_already_completed"}
        made = [
            {
                "id": str(each["id"]),
                "title": str(each.get("title") or ""),
                "name": self._expected[str(each["id"])][0],
            }
            for each in files
        ]
        for each in made:
            self.shown[each["id"]] = each
        return {"ok": True, "files": made}
