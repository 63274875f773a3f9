"""What Labelbox's GraphQL API does with data rows, batches and exports, by its Python SDK 7.17.

No Labelbox can be installed, and none was at hand: this is as strict as the SDK, and no more
certain.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from email.parser import BytesParser
from typing import Any

from monitor.standins.reply import Reply, Request, as_json

PROJECT, DATASET = "clproject0000000000000001", "cldataset0000000000000001"
QUESTION = "class"


class RefusedError(Exception):
    def __init__(self, code: str, message: str, status: int = 200) -> None:
        error = {"message": message, "extensions": {"code": code}}
        self.reply = as_json({"errors": [error], "data": None}, status)
        super().__init__(message)


class LabelboxStub:
    """``busy``: how often a task is asked for before it is done."""

    def __init__(self, key: str, now: datetime, options: list[str]) -> None:
        self.key, self.now, self.options = key, now, options
        self.address = ""
        self.busy = 0
        self.files: dict[str, bytes] = {}
        self.rows: dict[str, dict[str, Any]] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self._number = 0

    def held(self, key: str) -> int:
        """How often labellers meet it."""
        numbers = [n for n, row in self.rows.items() if row["global_key"] == key]
        return sum(number in batch["rows"] for number in numbers for batch in self.batches.values())

    def label(self, key: str, answer: str | None) -> None:
        """A person answers, or skips where ``answer`` is None."""
        (row,) = [row for row in self.rows.values() if row["global_key"] == key]
        self.now += timedelta(seconds=1)
        option = {"name": answer, "value": str(answer).lower().replace(" ", "_")}
        answers = [{"name": QUESTION, "value": QUESTION, "radio_answer": option}]
        row["active"] = self.now
        row["labels"].append(
            {
                "label_kind": "Default",
                "id": self._next(),
                "label_details": {
                    "created_at": self.now.isoformat(),
                    "updated_at": self.now.isoformat(),
                    "created_by": "ann@example.com",
                },
                "performance_details": {"seconds_to_create": 3, "skipped": answer is None},
                "annotations": {
                    "objects": [],
                    "classifications": answers if answer is not None else [],
                    "relationships": [],
                },
            }
        )

    def __call__(self, request: Request) -> Reply:
        try:
            return self._take(request)
        except RefusedError as refused:
            return refused.reply

    def _take(self, request: Request) -> Reply:
        if request.method == "GET" and request.path.startswith("/signed/"):
            # Another host, in truth: whoever sends it the key has given the key away.
            if request.header("Authorization") is not None:
                return Reply(status=400, body=b"the key was sent to the storage")
            return Reply(status=200, body=self.files[request.path.removeprefix("/signed/")])
        if request.header("Authorization") != f"Bearer {self.key}":
            raise RefusedError("AUTHENTICATION_ERROR", "Invalid API key", 401)
        asked, file = _asked(request)
        query, given = asked["query"], asked["variables"]
        declared = set(re.findall(r"\$(\w+):", query))
        if declared != set(given) or not declared <= set(re.findall(r"\$(\w+)(?!\w*:)", query)):
            raise RefusedError("GRAPHQL_VALIDATION_FAILED", f"variables: {sorted(given)}")
        if request.path not in ("/graphql", "/_gql"):
            raise RefusedError("NOT_FOUND", "no such endpoint", 404)
        if ("createBatchV2" in query) != (request.path == "/_gql"):
            raise RefusedError("GRAPHQL_VALIDATION_FAILED", "Cannot query field")
        for root, answer in self._roots().items():
            if re.search(rf"\b{root}\b\(", query):
                return as_json({"data": answer(given, file)})
        if "ontology {normalized}" in query:
            return as_json({"data": {"project": self._project(given["id"])}})
        raise RefusedError("GRAPHQL_VALIDATION_FAILED", "Cannot query field")

    def _roots(self) -> dict[str, Any]:
        return {
            "uploadFile": self._upload,
            "upsertDataRows": self._import,
            "failedDataRowImports": self._failed,
            "createdTasks": self._task,
            "dataRowsForGlobalKeysResult": self._rows_result,
            "dataRowsForGlobalKeys": self._rows,
            "deleteDataRows": self._delete,
            "createBatchV2": self._batch,
            "exportDataRowsInProject": self._export,
            "exportMetadataHeader": self._size,
            "exportFileFromOffset": self._file,
        }

    def _upload(self, given: dict[str, Any], file: bytes | None) -> Any:
        if file is None or len(file) != given["contentLength"]:
            raise RefusedError("MALFORMED_REQUEST", "contentLength")
        name = self._next()
        self.files[name] = file
        return {"uploadFile": {"url": f"{self.address}/signed/{name}", "filename": name}}

    def _import(self, given: dict[str, Any], _: bytes | None) -> Any:
        manifest = self._stored(given["manifestUri"])
        specs = [spec for uri in manifest["chunk_uris"] for spec in self._stored(uri)]
        if manifest["source"] != "SDK" or manifest["item_count"] != len(specs):
            raise RefusedError("MALFORMED_REQUEST", "manifest")
        failed = []
        for spec in specs:
            item = spec["payload"]
            assert spec["id"] == {"type": "AUTO", "value": ""}
            assert item["dataset_id"] == DATASET
            for attachment in item["attachments"]:
                assert set(attachment) == {"type", "name", "value"}
            if any(row["global_key"] == item["global_key"] for row in self.rows.values()):
                why = f"Duplicate global key: '{item['global_key']}'"
                failed.append({"message": why, "spec": {"globalKey": item["global_key"]}})
                continue
            shown = item["row_data"]
            stored = self.files.get(shown.rpartition("/")[2])
            if not shown.startswith("https://") and not (stored or b"").startswith(b"\x89PNG"):
                failed.append({"message": "Invalid row data", "spec": {}})
                continue
            self.rows[self._next()] = {**item, "labels": [], "active": self.now}
        return {"upsertDataRows": {"id": self._job(failed=failed), "status": "IN_PROGRESS"}}

    def _failed(self, given: dict[str, Any], _: bytes | None) -> Any:
        failed = self.jobs[given["taskId"]]["failed"]
        return {"failedDataRowImports": {"total": len(failed), "results": failed, "after": None}}

    def _task(self, given: dict[str, Any], _: bytes | None) -> Any:
        job = self.jobs[given["id"]]
        return {"user": {"createdTasks": [{"id": given["id"], "status": self._state(job)}]}}

    def _rows(self, given: dict[str, Any], _: bytes | None) -> Any:
        return {"dataRowsForGlobalKeys": {"jobId": self._job(keys=given["globalKeys"])}}

    def _rows_result(self, given: dict[str, Any], _: bytes | None) -> Any:
        job = self.jobs[given["jobId"]]
        state = self._state(job)
        if state != "COMPLETE":
            return {"dataRowsForGlobalKeysResult": {"jobStatus": state, "data": None}}
        numbers = {row["global_key"]: number for number, row in self.rows.items()}
        data = {
            "fetchedDataRows": [
                {"id": numbers.get(key, ""), "globalKey": key if key in numbers else None}
                for key in job["keys"]
            ],
            "notFoundGlobalKeys": [key for key in job["keys"] if key not in numbers],
            "accessDeniedGlobalKeys": [],
        }
        return {"dataRowsForGlobalKeysResult": {"jobStatus": "COMPLETE", "data": data}}

    def _delete(self, given: dict[str, Any], _: bytes | None) -> Any:
        if any(number not in self.rows for number in given["ids"]):
            raise RefusedError("RESOURCE_NOT_FOUND", "Data row not found")
        for number in given["ids"]:
            del self.rows[number]
        return {"deleteDataRows": {"id": None}}

    def _batch(self, given: dict[str, Any], _: bytes | None) -> Any:
        self._project(given["projectId"])
        batch = given["batchInput"]
        if batch["priority"] not in range(1, 6):
            raise RefusedError("MALFORMED_REQUEST", "priority must be 1 to 5")
        if batch["name"] in self.batches:
            raise RefusedError("RESOURCE_CONFLICT", "Batch name must be unique in a project")
        taken = {number for one in self.batches.values() for number in one["rows"]}
        failed = [n for n in batch["dataRowIds"] if n not in self.rows or n in taken]
        rows = [number for number in batch["dataRowIds"] if number not in failed]
        self.batches[batch["name"]] = {"rows": rows, "priority": batch["priority"]}
        shown = {"id": self._next(), "name": batch["name"], "size": len(rows)}
        return {"project": {"createBatchV2": {"batch": shown, "failedDataRowIds": failed}}}

    def _export(self, given: dict[str, Any], _: bytes | None) -> Any:
        wanted = given["input"]
        project = self._project(wanted["filters"]["projectId"])
        numbers = [n for batch in self.batches.values() for n in batch["rows"] if n in self.rows]
        for item in wanted["filters"]["searchQuery"]["query"]:
            numbers = [number for number in numbers if _fits(self.rows[number], item)]
        lines = [
            json.dumps(
                {
                    "data_row": {"id": number, "global_key": self.rows[number]["global_key"]},
                    "projects": {project["id"]: {"labels": self.rows[number]["labels"]}},
                }
            )
            for number in numbers
        ]
        job = self._job(text="".join(f"{line}\n" for line in lines).encode())
        return {"exportDataRowsInProject": {"taskId": job, "isStreamable": True}}

    def _size(self, given: dict[str, Any], _: bytes | None) -> Any:
        text = self.jobs[given["where"]["id"]]["text"]
        lines = text.count(b"\n")
        header = {"totalSize": len(text), "totalLines": lines} if text else None
        return {"task": {"exportMetadataHeader": header}}

    def _file(self, given: dict[str, Any], _: bytes | None) -> Any:
        """A piece of 1000 bytes from an offset: an export comes in several files."""
        start = int(given["offset"])
        text = self.jobs[given["where"]["id"]]["text"][start : start + 1000]
        name = self._next()
        self.files[name] = text
        part = {
            "offsets": {"start": str(start), "end": str(start + len(text) - 1)},
            "lines": {"start": "0", "end": "0"},
            "file": f"{self.address}/signed/{name}",
        }
        return {"task": {"exportFileFromOffset": part}}

    def _project(self, number: str) -> dict[str, Any]:
        if number != PROJECT:
            raise RefusedError("RESOURCE_NOT_FOUND", "Project not found")
        options = [{"label": name, "value": name.lower()} for name in self.options]
        asked = {"type": "radio", "name": QUESTION, "instructions": QUESTION, "options": options}
        normalized = {"tools": [], "classifications": [asked]}
        return {"id": PROJECT, "ontology": {"normalized": normalized}}

    def _stored(self, url: str) -> Any:
        return json.loads(self.files[url.rpartition("/")[2]])

    def _job(self, **job: Any) -> str:
        number = self._next()
        self.jobs[number] = {**job, "asked": 0}
        return number

    def _state(self, job: dict[str, Any]) -> str:
        job["asked"] += 1
        return "COMPLETE" if job["asked"] > self.busy else "IN_PROGRESS"

    def _next(self) -> str:
        self._number += 1
        return f"cl{self._number:023d}"


def _asked(request: Request) -> tuple[dict[str, Any], bytes | None]:
    kind = request.header("Content-Type") or ""
    if not kind.startswith("multipart/form-data; boundary="):
        return json.loads(request.body), None
    whole = BytesParser().parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + request.body)
    parts = {
        part.get_param("name", header="Content-Disposition"): part.get_payload(decode=True)
        for part in whole.get_payload()
    }
    assert json.loads(parts["map"]) == {"1": ["variables.file"]}
    return json.loads(parts["operations"]), parts["1"]


def _fits(row: dict[str, Any], item: dict[str, Any]) -> bool:
    if item["type"] == "global_key":
        if item["operator"] != "is" or not 0 < len(item["ids"]) <= 2000:
            raise RefusedError("MALFORMED_REQUEST", "global_key filter")
        return row["global_key"] in item["ids"]
    if item["type"] != "data_row_last_activity_at":
        raise RefusedError("MALFORMED_REQUEST", f"filter {item['type']}")
    value = item["value"]
    assert (value["operator"], value["timezone"]) == ("GREATER_THAN_OR_EQUAL", "UTC")
    return bool(row["active"] >= datetime.strptime(value["value"], "%Y-%m-%dT%H:%M:%S%z"))
