"""A workflow template of Argo Workflows.

``POST {url}/api/v1/workflows/{namespace}/submit`` with ``resourceKind: WorkflowTemplate`` and
``submitOptions.name`` our id: a name is taken once, the same again is a 409, which here means
accepted. A workflow that was deleted after it ended is not found any more: an order that was
accepted is therefore never sent again.
"""

from __future__ import annotations

from urllib.parse import quote

from monitor.retraining.hooks.http import Reply
from monitor.retraining.hooks.named_run import NamedRunHook
from monitor.retraining.hooks.protocol import HookReport, HookState, Order


class ArgoHook(NamedRunHook):
    """Has a workflow train."""

    kind = "argo"
    noun = "workflow"

    def __init__(
        self, url: str, *, namespace: str, template: str, token: str, timeout_s: float = 15.0
    ) -> None:
        super().__init__(
            url, {"Authorization": f"Bearer {token}"}, secret=token, timeout_s=timeout_s
        )
        self._path = f"/api/v1/workflows/{quote(namespace, safe='')}"
        self._namespace, self._template = namespace, template

    def send(self, order: Order) -> HookReport:
        body = {
            "namespace": self._namespace,
            "resourceKind": "WorkflowTemplate",
            "resourceName": self._template,
            "submitOptions": {
                "name": order.id,
                "parameters": [f"{key}={value}" for key, value in order.texts().items()],
                "labels": f"vigil.dev/retraining={order.id}",
            },
        }
        return self.start(order, f"{self._path}/submit", body)

    @property
    def _runs(self) -> str:
        return self._path

    def _report(self, reply: Reply, order: Order) -> HookReport:
        if not reply.is_success:
            return self.refusal(reply, str(reply.body.get("message", "")))
        about = reply.body.get("metadata") or {}
        if about.get("name") != order.id:
            text = f"{self.host} answered {reply.status} without the {self.noun}"
            return HookReport(state=HookState.UNCLEAR, text=text)
        phase = (reply.body.get("status") or {}).get("phase") or "Pending"
        return HookReport(
            state=HookState.ACCEPTED,
            text=f"workflow {order.id} is {phase}",
            receipt={"workflow": f"{self._namespace}/{order.id}"},
        )
