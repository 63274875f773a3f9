"""The requests to Labelbox that a queue needs; what each answers is checked here.

Labelbox speaks GraphQL. What takes long is a task that is asked for until it is done. Its results
lie behind signed addresses on another host, which must never get the key.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

import httpx

from alerts.actions.queues.forms import FormFile, multipart
from alerts.actions.queues.protocol import LabelQueueError
from alerts.actions.queues.service import LabelService
from alerts.notifiers.secrecy import Hidden

_WAITS_S = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
_REFUSED = (400, 404, 409, 422)
_UPLOAD = (
    "mutation UploadFile($file: Upload!, $contentLength: Int!, $sign: Boolean) "
    "{uploadFile(file: $file, contentLength: $contentLength, sign: $sign) {url filename}}"
)
_IMPORT = (
    "mutation Upsert($manifestUri: String!) "
    "{upsertDataRows(data: {manifestUri: $manifestUri}) {id status}}"
)
_FAILED = (
    "query Failed($taskId: ID!, $first: Int, $from: String) "
    "{failedDataRowImports(data: {taskId: $taskId, first: $first, from: $from}) "
    "{total results {message spec {globalKey}}}}"
)
_TASK = "query Task($id: ID!) {user {createdTasks(where: {id: $id} skip: 0 first: 1) {id status}}}"
_ROWS = "query Rows($globalKeys: [ID!]!) {dataRowsForGlobalKeys(where: {ids: $globalKeys}) {jobId}}"
_ROWS_RESULT = (
    "query RowsResult($jobId: ID!) {dataRowsForGlobalKeysResult(jobId: {id: $jobId}) "
    "{data {fetchedDataRows {id globalKey} notFoundGlobalKeys accessDeniedGlobalKeys} jobStatus}}"
)
_DELETE = "mutation Delete($ids: [ID!]!) {deleteDataRows(where: {dataRowIds: $ids}) {id}}"
_BATCH = (
    "mutation Batch($projectId: ID!, $batchInput: CreateBatchInput!) "
    "{project(where: {id: $projectId}) "
    "{createBatchV2(input: $batchInput) {batch {id name size} failedDataRowIds}}}"
)
_ONTOLOGY = "query Project($id: ID!) {project(where: {id: $id}) {id ontology {normalized}}}"
_EXPORT = (
    "mutation Export($input: ExportDataRowsInProjectInput!) "
    "{exportDataRowsInProject(input: $input) {taskId isStreamable}}"
)
_EXPORT_SIZE = (
    "query Size($where: WhereUniqueIdInput, $streamType: TaskStreamType!) "
    "{task(where: $where) {exportMetadataHeader(streamType: $streamType) {totalSize totalLines}}}"
)
_EXPORT_FILE = (
    "query File($where: WhereUniqueIdInput, $streamType: TaskStreamType!, $offset: UInt64!) "
    "{task(where: $where) {exportFileFromOffset(streamType: $streamType, offset: $offset) "
    "{offsets {start end} lines {start end} file}}}"
)


class LabelboxRefusedError(LabelQueueError):
    """It understood, and will not."""


class LabelboxApi:
    """Args:
    url: of the API, ``https://api.labelbox.com`` for everybody.
    key: of a user or a service.
    """

    def __init__(self, url: str, key: str, *, timeout_s: float) -> None:
        bearer = {"Authorization": f"Bearer {key}"}
        self._api = LabelService("Labelbox", url, secret=key, headers=bearer, timeout_s=timeout_s)
        self._files = LabelService("Labelbox", "", secret="", headers={}, timeout_s=timeout_s)
        self._hidden = Hidden(key)

    @property
    def host(self) -> str:
        return self._api.host

    def close(self) -> None:
        self._api.close()
        self._files.close()

    def ontology(self, project: str) -> dict[str, Any]:
        """What labellers are asked in a project; empty where nothing is."""
        found = self._run(_ONTOLOGY, {"id": project}).get("project")
        if not isinstance(found, dict):
            raise LabelQueueError(f"Labelbox: expected project {project}, found none")
        ontology = found.get("ontology")
        normalized = ontology.get("normalized") if isinstance(ontology, dict) else None
        if isinstance(normalized, str):
            normalized = json.loads(normalized)
        return normalized if isinstance(normalized, dict) else {}

    def upload(self, name: str, kind: str, raw: bytes) -> str:
        """The address of a file that Labelbox keeps."""
        variables = {"file": None, "contentLength": len(raw), "sign": False}
        body, content_type = multipart(
            {
                "operations": json.dumps({"query": _UPLOAD, "variables": variables}),
                "map": json.dumps({"1": ["variables.file"]}),
            },
            [FormFile(field="1", name=name, kind=kind, raw=raw)],
        )
        answer = self._api.object(
            "POST", "/graphql", content=body, headers={"Content-Type": content_type}
        )
        url = self._data(answer).get("uploadFile", {}).get("url")
        if not isinstance(url, str):
            raise self._api.strange("uploadFile")
        return url

    def create_rows(self, items: Sequence[Mapping[str, Any]]) -> list[str]:
        """Import data rows, and wait until that is over: why some were not taken."""
        specs = [{"id": {"type": "AUTO", "value": ""}, "payload": dict(item)} for item in items]
        chunk = self.upload("json_import.json", "application/json", json.dumps(specs).encode())
        manifest = {"source": "SDK", "item_count": len(specs), "chunk_uris": [chunk]}
        uri = self.upload("manifest.json", "application/json", json.dumps(manifest).encode())
        task = self._run(_IMPORT, {"manifestUri": uri}).get("upsertDataRows")
        if not isinstance(task, dict) or not isinstance(task.get("id"), str):
            raise self._api.strange("upsertDataRows")
        self._finish(task["id"], "the import")
        asked = {"taskId": task["id"], "first": 100, "from": None}
        failed = self._run(_FAILED, asked).get("failedDataRowImports")
        results = failed.get("results") if isinstance(failed, dict) else None
        return [
            self._hidden(str(one.get("message")))
            for one in results or []
            if isinstance(one, dict) and one.get("message")
        ]

    def rows(self, keys: Sequence[str]) -> dict[str, str]:
        """The number of each data row that is there, by its global key."""
        if not keys:
            return {}
        job = self._run(_ROWS, {"globalKeys": list(keys)}).get("dataRowsForGlobalKeys")
        if not isinstance(job, dict) or not isinstance(job.get("jobId"), str):
            raise self._api.strange("dataRowsForGlobalKeys")
        for wait_s in _WAITS_S:
            found = self._run(_ROWS_RESULT, {"jobId": job["jobId"]}).get(
                "dataRowsForGlobalKeysResult"
            )
            state = found.get("jobStatus") if isinstance(found, dict) else None
            if isinstance(found, dict) and state == "COMPLETE":
                return self._fetched(found)
            if state == "FAILED":
                break
            time.sleep(wait_s)
        raise LabelQueueError("Labelbox: it could not say in time which images it has")

    def delete_rows(self, numbers: Sequence[str]) -> None:
        self._run(_DELETE, {"ids": list(numbers)})

    def create_batch(
        self, project: str, name: str, numbers: Sequence[str], *, priority: int
    ) -> None:
        """Hand data rows to a project's labellers; ``priority`` from 1, the first, to 5.

        Raises:
            LabelboxRefusedError: not with this name, or not all of them.
        """
        wanted = {"name": name, "dataRowIds": list(numbers), "priority": priority}
        asked = {"projectId": project, "batchInput": wanted}
        inner = self._run(_BATCH, asked, path="/_gql").get("project")
        made = inner.get("createBatchV2") if isinstance(inner, dict) else None
        if not isinstance(made, dict):
            raise self._api.strange("createBatchV2")
        if made.get("failedDataRowIds"):
            raise LabelboxRefusedError(
                f"Labelbox: {len(made['failedDataRowIds'])} of {len(numbers)} images "
                "did not come into the batch"
            )

    def export(
        self, project: str, *, keys: Sequence[str] = (), since: datetime | None = None
    ) -> list[dict[str, Any]]:
        """Data rows of a project with their labels; of these global keys, active since then."""
        query: list[dict[str, Any]] = []
        if keys:
            query.append({"ids": list(keys), "operator": "is", "type": "global_key"})
        if since is not None:
            value = {
                "operator": "GREATER_THAN_OR_EQUAL",
                "timezone": "UTC",
                "value": since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S%z"),
            }
            query.append({"type": "data_row_last_activity_at", "value": value})
        wanted = {
            "taskName": "vigil",
            "isStreamableReady": True,
            "streamable": True,
            "filters": {"projectId": project, "searchQuery": {"scope": None, "query": query}},
            "params": {"includePerformanceDetails": True, "includeLabelDetails": True},
        }
        task = self._run(_EXPORT, {"input": wanted}).get("exportDataRowsInProject")
        if not isinstance(task, dict) or not isinstance(task.get("taskId"), str):
            raise self._api.strange("exportDataRowsInProject")
        self._finish(task["taskId"], "the export")
        return self._read(task["taskId"])

    def _read(self, task: str) -> list[dict[str, Any]]:
        asked: dict[str, Any] = {"where": {"id": task}, "streamType": "RESULT"}
        try:
            header = self._of_task(_EXPORT_SIZE, asked)["exportMetadataHeader"]
            total = int(header["totalSize"]) if header is not None else 0
            text, offset = b"", 0
            while offset < total:
                found = self._of_task(_EXPORT_FILE, {**asked, "offset": str(offset)})
                part = found["exportFileFromOffset"]
                end = int(part["offsets"]["end"])
                if end < offset:
                    raise ValueError("an export that goes backwards")
                text += self._fetch(str(part["file"]))
                offset = end + 1
            rows = [json.loads(line) for line in text.splitlines() if line.strip()]
        except (KeyError, TypeError, ValueError):
            raise self._api.strange("the export") from None
        return [row for row in rows if isinstance(row, dict)]

    def _fetch(self, url: str) -> bytes:
        """A file by its signed address; the key stays here."""
        if not url.startswith("https://") and not url.startswith(f"{self.host}/"):
            raise self._api.strange("the address of the export")
        try:
            return self._files.ask("GET", url).body
        except LabelQueueError:
            # The address itself is a secret for as long as it is signed.
            raise LabelQueueError("Labelbox: the export could not be fetched") from None
        except httpx.InvalidURL:
            raise self._api.strange("the address of the export") from None

    def _of_task(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        found = self._run(query, variables).get("task")
        if not isinstance(found, dict):
            raise self._api.strange("task")
        return found

    def _finish(self, task: str, what: str) -> None:
        for wait_s in _WAITS_S:
            user = self._run(_TASK, {"id": task}).get("user")
            found = user.get("createdTasks") if isinstance(user, dict) else None
            state = found[0].get("status") if isinstance(found, list) and found else None
            if state == "COMPLETE":
                return
            if state == "FAILED":
                raise LabelQueueError(f"Labelbox: {what} failed")
            time.sleep(wait_s)
        raise LabelQueueError(f"Labelbox: {what} is still being worked on")

    def _fetched(self, found: Mapping[str, Any]) -> dict[str, str]:
        data = found.get("data")
        if not isinstance(data, dict) or not isinstance(data.get("fetchedDataRows"), list):
            raise self._api.strange("dataRowsForGlobalKeysResult")
        if denied := data.get("accessDeniedGlobalKeys"):
            raise LabelQueueError(f"Labelbox: {len(denied)} images belong to somebody else")
        rows = [row for row in data["fetchedDataRows"] if isinstance(row, dict)]
        return {str(row["globalKey"]): str(row["id"]) for row in rows if row.get("id")}

    def _run(
        self, query: str, variables: Mapping[str, Any], *, path: str = "/graphql"
    ) -> dict[str, Any]:
        asked = {"query": query, "variables": dict(variables)}
        return self._data(self._api.ask("POST", path, asked, accept=_REFUSED).json())

    def _data(self, answer: Any) -> dict[str, Any]:
        if isinstance(answer, dict) and answer.get("errors"):
            self._refuse(answer["errors"])
        data = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(data, dict):
            raise self._api.strange("graphql")
        return data

    def _refuse(self, errors: Any) -> NoReturn:
        """GraphQL tells errors in an answer that says 200."""
        first = errors[0] if isinstance(errors, list) and isinstance(errors[0], dict) else {}
        said = self._hidden(str(first.get("message", "an error")))
        raise LabelboxRefusedError(f"Labelbox: {said}")
