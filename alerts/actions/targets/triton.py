"""A rollback on a Triton server: the model is loaded again with the earlier version only.

Triton must run with ``--model-control-mode=explicit`` and hold both versions in its repository.
Loading with another ``version_policy`` takes the configuration that the server has, so the plan is
noted there, as a parameter. A load that fails keeps what serves. Triton has no comparing and
setting, and no rehearsal: it is read before and after. A server that starts anew forgets what it
was told; the repository has to be put right as well. Each server is loaded by itself: behind a
balancer, use one target for each, or the webhook.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from alerts.actions.plan import RollbackPlan
from alerts.actions.targets.protocol import TargetState
from alerts.actions.targets.situation import Arrival, Mark, Situation
from alerts.actions.targets.system_http import SystemHttp
from alerts.actions.targets.system_target import ChangedMeanwhileError, SystemTarget
from alerts.actions.targets.version_names import NumberedName
from alerts.notifiers.http import Answer

PARAMETER = "vigil_rollback_plans"
_REFUSED = (400, 401, 403, 404)
_KEPT = 10


class TritonTarget(SystemTarget):
    """Args:
    http: of the server.
    model: its name in the repository.
    names: what vigil calls the numbered versions.
    """

    kind = "triton"

    def __init__(self, http: SystemHttp, model: str, names: NumberedName) -> None:
        self._http = http
        self._model = model
        self._names = names

    def close(self) -> None:
        self._http.close()

    def _serving(self) -> str | None:
        return self._newest(self._index())

    def _read(self, plan: RollbackPlan) -> Situation:
        states = self._index()
        serving = self._newest(states)
        config = self._config() if serving is not None else {}
        loading = [number for number, state in states.items() if state == "LOADING"]
        number = self._names.number(plan.to_version)
        return Situation(
            serving=serving,
            mark=Mark.DONE if plan.id in _plans(config) else Mark.NONE,
            arrival=Arrival.UNDER_WAY if loading else Arrival.COMPLETE,
            arrival_text="still loading" if loading else "",
            means=f"loading {self._model} with version {number} only",
            obstacle="" if number else f"{plan.to_version} is not the name of a numbered version",
        )

    def _change(self, plan: RollbackPlan, was: Situation, *, rehearse: bool) -> None:
        if rehearse:
            return
        number, config = self._names.number(plan.to_version), self._config()
        if self._newest(self._index()) != was.serving:
            raise ChangedMeanwhileError
        parameters = config.get("parameters") or {}
        plans = " ".join([*_plans(config), plan.id][-_KEPT:])
        told = {
            **config,
            "version_policy": {"specific": {"versions": [int(number or 0)]}},
            "parameters": {**parameters, PARAMETER: {"string_value": plans}},
        }
        path = f"/v2/repository/models/{quote(self._model, safe='')}/load"
        body = {"parameters": {"config": json.dumps(told)}}
        self._taken(self._http.call("POST", path, body, accept=_REFUSED))

    def _newest(self, states: dict[str, str]) -> str | None:
        """The highest version that is ready: it answers requests that name none."""
        ready = [int(number) for number, state in states.items() if state == "READY"]
        return self._names.name(str(max(ready))) if ready else None

    def _index(self) -> dict[str, str]:
        """Of each version that the server knows, its state."""
        answer = self._http.call("POST", "/v2/repository/index", {}, accept=_REFUSED)
        self._taken(answer)
        found = answer.json()
        if not isinstance(found, list):
            raise self._http.stopped(TargetState.UNCLEAR, "its index is not a list")
        return {
            str(each["version"]): str(each.get("state", ""))
            for each in found
            if each["name"] == self._model and str(each.get("version", "")).isdecimal()
        }

    def _config(self) -> dict[str, Any]:
        path = f"/v2/models/{quote(self._model, safe='')}/config"
        found = self._http.object(self._taken(self._http.call("GET", path, accept=_REFUSED)))
        if found.get("name") != self._model:
            raise self._http.stopped(TargetState.UNCLEAR, "its answer is not a configuration")
        return found

    def _taken(self, answer: Answer) -> Answer:
        if answer.status < 300:
            return answer
        text = f"HTTP {answer.status} {answer.object().get('error', '')}"
        raise self._http.stopped(TargetState.FAILED, text)


def _plans(config: dict[str, Any]) -> list[str]:
    said = (config.get("parameters") or {}).get(PARAMETER) or {}
    return str(said.get("string_value", "")).split()
