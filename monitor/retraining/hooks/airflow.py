"""An Airflow DAG, through the REST API: ``/api/v1`` of Airflow 2, ``/api/v2`` of Airflow 3.

``POST {url}/dags/{dag}/dagRuns {"dag_run_id": our id, "conf": {...}}``: a run id is taken once, the
same again is a 409, which here means accepted. Airflow 3 asks for ``logical_date``, null for a run
outside the schedule. With an account it is basic authentication (Airflow 2), else a bearer token.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from alerts.notifiers.secrecy import basic
from monitor.retraining.hooks.http import Reply
from monitor.retraining.hooks.named_run import NamedRunHook
from monitor.retraining.hooks.protocol import HookReport, HookState, Order


class AirflowHook(NamedRunHook):
    """Has a DAG train."""

    kind = "airflow"
    noun = "run"

    def __init__(
        self, url: str, *, dag: str, secret: str, user: str = "", timeout_s: float = 15.0
    ) -> None:
        credentials = f"Bearer {secret}"
        if user:
            credentials = f"Basic {basic(user, secret)}"
        super().__init__(url, {"Authorization": credentials}, secret=secret, timeout_s=timeout_s)
        self._path = f"/dags/{quote(dag, safe='')}/dagRuns"
        self._dated = url.rstrip("/").endswith("/v2")

    def send(self, order: Order) -> HookReport:
        body: dict[str, Any] = {"dag_run_id": order.id, "conf": order.to_json()}
        if self._dated:
            body["logical_date"] = None
        return self.start(order, self._runs, body)

    @property
    def _runs(self) -> str:
        return self._path

    def _report(self, reply: Reply, order: Order) -> HookReport:
        if not reply.is_success:
            return self.refusal(reply, str(reply.body.get("detail", "")))
        if reply.body.get("dag_run_id") != order.id:
            text = f"{self.host} answered {reply.status} without the {self.noun}"
            return HookReport(state=HookState.UNCLEAR, text=text)
        return HookReport(
            state=HookState.ACCEPTED,
            text=f"run {order.id} is {reply.body.get('state')}",
            receipt={"run": order.id},
        )
