"""A rollback in MLflow's model registry: an alias is pointed at the earlier version.

Servers that load ``models:/name@alias`` follow at their own pace: what they serve is for the
windows to say. MLflow has no comparing and setting, so the alias is read before and after; who
changes it between the two is overwritten. The plan is noted as a tag of the registered model,
``sent`` before the alias is set and ``done`` after it, so that a service which was killed in
between finds out.
"""

from __future__ import annotations

import contextlib
from typing import Any

from alerts.actions.plan import RollbackPlan
from alerts.actions.targets.protocol import TargetState
from alerts.actions.targets.situation import Mark, Situation
from alerts.actions.targets.system_http import SystemHttp
from alerts.actions.targets.system_target import (
    ChangedMeanwhileError,
    StoppedError,
    SystemTarget,
)
from alerts.actions.targets.version_names import NumberedName
from alerts.notifiers.http import Answer

_API = "/api/2.0/mlflow"
_REFUSED = (400, 401, 403, 404)


class MlflowAlias(SystemTarget):
    """Args:
    http: of the tracking server.
    model: name of the registered model.
    alias: what production follows, such as ``champion``.
    names: what vigil calls the numbered versions.
    """

    kind = "mlflow"

    def __init__(self, http: SystemHttp, model: str, alias: str, names: NumberedName) -> None:
        self._http = http
        self._model = model
        self._alias = alias
        self._names = names

    def close(self) -> None:
        self._http.close()

    def _serving(self) -> str | None:
        return self._pointed_at(self._registered())

    def _read(self, plan: RollbackPlan) -> Situation:
        found = self._registered()
        serving = self._pointed_at(found)
        tags = {each["key"]: each.get("value") for each in found.get("tags") or ()}
        said = tags.get(_key(plan))
        return Situation(
            serving=serving,
            mark=Mark(said) if said in tuple(Mark) else Mark.NONE,
            arrival_text=f"alias {self._alias} of {self._model}",
            means=f"the alias {self._alias} of {self._model}",
            obstacle=self._obstacle(plan) if serving == plan.from_version else "",
        )

    def _change(self, plan: RollbackPlan, was: Situation, *, rehearse: bool) -> None:
        if rehearse:
            return
        if was.mark is Mark.NONE:
            self._note(plan, Mark.SENT)
        if self._pointed_at(self._registered()) != was.serving:
            raise ChangedMeanwhileError
        self._ask(
            "POST",
            "registered-models/alias",
            {
                "name": self._model,
                "alias": self._alias,
                "version": self._names.number(plan.to_version),
            },
        )
        # It is carried out; that this can't be read or noted must not look like a failure.
        with contextlib.suppress(StoppedError):
            if self._pointed_at(self._registered()) == plan.to_version:
                self._note(plan, Mark.DONE)

    def _registered(self) -> dict[str, Any]:
        """The registered model, with its aliases and tags."""
        found = self._ask("GET", "registered-models/get", params={"name": self._model})
        model: dict[str, Any] = found["registered_model"]
        return model

    def _pointed_at(self, found: dict[str, Any]) -> str | None:
        for each in found.get("aliases") or ():
            if each["alias"] == self._alias:
                return self._names.name(str(each["version"]))
        return None

    def _obstacle(self, plan: RollbackPlan) -> str:
        """Why the alias could not be pointed at the version; empty: it could."""
        number = self._names.number(plan.to_version)
        if number is None:
            return f"{plan.to_version} is not the name of a numbered version"
        params = {"name": self._model, "version": number}
        answer = self._http.call(
            "GET", f"{_API}/model-versions/get", params=params, accept=_REFUSED
        )
        if answer.status == 404 and answer.object():
            return f"{self._model} has no version {number}"
        found = self._taken(answer)
        state = str(found["model_version"].get("status", "READY"))
        return "" if state == "READY" else f"version {number} of {self._model} is {state}"

    def _note(self, plan: RollbackPlan, mark: Mark) -> None:
        tag = {"name": self._model, "key": _key(plan), "value": mark.value}
        self._ask("POST", "registered-models/set-tag", tag)

    def _ask(
        self, method: str, path: str, plain: Any = None, *, params: dict[str, str] | None = None
    ) -> dict[str, Any]:
        answer = self._http.call(method, f"{_API}/{path}", plain, params=params, accept=_REFUSED)
        return self._taken(answer)

    def _taken(self, answer: Answer) -> dict[str, Any]:
        """Raises:
        StoppedError: the server refused, or something else answered.
        """
        if answer.status < 300:
            return self._http.object(answer)
        plain = answer.object()
        why = f"{plain.get('error_code', '')} {plain.get('message', '')}" if plain else answer.text
        text = f"HTTP {answer.status} {why}"
        raise self._http.stopped(TargetState.FAILED, text)


def _key(plan: RollbackPlan) -> str:
    return f"vigil.{plan.id}"
