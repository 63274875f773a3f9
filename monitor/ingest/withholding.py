"""The policies of all models at the door: applied, counted, and said once."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock

from monitor.ingest.privacy import Withheld, may_keep, within_policy
from monitor.ingest.receipts import LabelIn
from monitor.metrics import Metrics
from vigil.privacy.hashing import is_hashed
from vigil.privacy.rules import NO_POLICY, Policy
from vigil.windows.window import Window

log = logging.getLogger("vigil.ingest")
NO_HASH = "an id that is not hashed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """A window on its way into the database, and what was taken out of it."""

    window: Window
    verified: bool
    withheld: Mapping[Withheld, int] = field(default_factory=dict)


class Withholding:
    """Brings windows and labels to the policy of their model. Safe to use from several threads.

    ``vigil_privacy_withheld_total`` counts what was taken out. The log says it once for each model,
    deployment and reason, and names the collector, never what it sent.

    Args:
        policies: by the model's name; a model that is not in it may send everything.
    """

    def __init__(self, policies: Mapping[str, Policy], metrics: Metrics) -> None:
        self._policies, self._metrics = dict(policies), metrics
        self._hashes_ids = any(one.ids == "hash" for one in self._policies.values())
        self._said: set[tuple[str, str, Withheld]] = set()
        self._lock = Lock()

    def window(self, window: Window, *, verified: bool) -> Taken:
        """A window that passed the rules, as it may be stored."""
        policy = self._policies.get(window.model.name, NO_POLICY)
        kept, withheld = within_policy(window, policy)
        return Taken(window=kept, verified=verified, withheld=withheld)

    def labels(self, labels: Sequence[LabelIn]) -> list[LabelIn]:
        """Labels that carry their own prediction, without metadata that may not be kept. Where ids
        are to be hashed, one whose id is not must be found in a ledger, as the tap's own are."""
        return [self._label(one) for one in labels]

    def example(self, record_id: str, detail: str) -> str:
        """A label that was refused, as it may be written down: an id of an unknown record is no
        known model's, so that it may be one that is to be hashed."""
        if self._hashes_ids and not is_hashed(record_id):
            return NO_HASH
        return f"{record_id}: {detail}"

    def tell(self, taken: Taken) -> None:
        """Count what was taken out of a window that is stored now."""
        model = taken.window.model
        for reason, count in taken.withheld.items():
            self._metrics.count(
                "vigil_privacy_withheld_total",
                count,
                model=model.name,
                deployment=model.deployment,
                reason=reason.value,
            )
            with self._lock:
                is_new = (model.name, model.deployment, reason) not in self._said
                self._said.add((model.name, model.deployment, reason))
            if is_new:
                log.warning(
                    "%s/%s: %s sends %s beyond the model's privacy; it is left out here. Is the "
                    "collector older than the policy, or told otherwise?",
                    model.name,
                    model.deployment,
                    taken.window.source,
                    reason.value,
                )

    def _label(self, label: LabelIn) -> LabelIn:
        policy = self._policies.get(label.model or "", NO_POLICY)
        if label.prediction is None or policy == NO_POLICY:
            return label
        metadata = {k: v for k, v in (label.metadata or {}).items() if may_keep(k, v, policy)}
        is_raw = policy.ids == "hash" and not is_hashed(label.id)
        return replace(label, metadata=metadata, prediction=None if is_raw else label.prediction)
