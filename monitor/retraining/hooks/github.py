"""A GitHub Actions workflow, started by ``workflow_dispatch``.

``POST /repos/{owner}/{name}/actions/workflows/{file}/dispatches`` answers 204 and names no run, and
the same request twice makes two runs. So the workflow's ``run-name`` carries our id, and the runs
are looked through before an order is sent again::

    run-name: retrain ${{ inputs.vigil_id }}
    on:
      workflow_dispatch:
        inputs: { vigil_id: {}, model: {}, deployment: {}, reason: {}, dataset: {}, location: {},
                  items: {}, incident: {} }

An input that the workflow does not declare is a 422.
"""

from __future__ import annotations

from datetime import timedelta

from monitor.retraining.hooks.http import Reply, Server
from monitor.retraining.hooks.protocol import HookReport, HookState, Order

API = "https://api.github.com"
_PAGES, _EACH = 5, 100


class GitHubHook(Server):
    """Has a workflow of a repository train."""

    kind = "github"
    is_keyed = False

    def __init__(
        self,
        *,
        repository: str,
        workflow: str,
        ref: str,
        token: str,
        url: str = API,
        timeout_s: float = 15.0,
    ) -> None:
        super().__init__(
            url,
            {
                "Authorization": f"Bearer {token}",
                "Accept": "application/vnd.github+json",
                "X-GitHub-Api-Version": "2022-11-28",
                "User-Agent": "vigil",
            },
            secret=token,
            timeout_s=timeout_s,
        )
        self._path = f"/repos/{repository}/actions/workflows/{workflow}"
        self._ref = ref

    def send(self, order: Order) -> HookReport:
        body = {"ref": self._ref, "inputs": order.texts()}
        reply = self.ask("POST", f"{self._path}/dispatches", json=body)
        if isinstance(reply, HookReport):
            return reply
        if not reply.is_success:
            return self.refusal(reply, str(reply.body.get("message", "")))
        return HookReport(
            state=HookState.ACCEPTED,
            text=f"{self.host} took the dispatch",
            receipt={"url": str(reply.body.get("html_url", ""))},
        )

    def look(self, order: Order) -> HookReport:
        since = order.asked_at - timedelta(minutes=5)
        for page in range(1, _PAGES + 1):
            reply = self.ask(
                "GET",
                f"{self._path}/runs",
                params={
                    "event": "workflow_dispatch",
                    "created": f">={since.strftime('%Y-%m-%dT%H:%M:%SZ')}",
                    "per_page": str(_EACH),
                    "page": str(page),
                },
            )
            if isinstance(reply, HookReport):
                return reply
            if not reply.is_success:
                return self.refusal(reply, str(reply.body.get("message", "")))
            found = _run_of(reply, order)
            if found is not None:
                return found
            if len(reply.body.get("workflow_runs") or ()) < _EACH:
                text = f"{self.host}: no run has {order.id} in its name"
                return HookReport(state=HookState.ABSENT, text=text)
        text = f"{self.host}: {_PAGES * _EACH} runs since, not all were looked through"
        return HookReport(state=HookState.UNCLEAR, text=text)


def _run_of(reply: Reply, order: Order) -> HookReport | None:
    runs = reply.body.get("workflow_runs")
    if not isinstance(runs, list):
        return HookReport(state=HookState.UNCLEAR, text="an answer without runs")
    for run in runs:
        names = f"{run.get('display_title', '')} {run.get('name', '')}".split()
        if order.id in names:
            url = str(run.get("html_url", ""))[:500]
            text = f"run {run.get('id')} is {run.get('status')}"
            return HookReport(state=HookState.ACCEPTED, text=text, receipt={"url": url})
    return None
