"""The overview that goes to Grafana: what is wrong, where, how far along, and is vigil itself well.

``python -m dashboards.grafana.overview`` writes ``overview.json`` anew.
"""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

from dashboards.grafana.panels import DATASOURCE, Json, Panel, Query, laid_out

UID = "vigil-overview"
_M = 'model=~"$model",deployment=~"$deployment"'
_S = f'{_M},slice=~"$slice",signal=~"$signal"'


def _quantile(q: float, metric: str, window: str) -> str:
    return f"histogram_quantile({q}, sum by (le) (rate({metric}_bucket[{window}])))"


_NOW = (
    Panel(
        kind="stat",
        title="Open incidents",
        about="Incidents that are not resolved.",
        queries=[Query(expr=f"sum(vigil_incidents_open{{{_M}}}) or vector(0)", legend="open")],
        width=4,
        height=5,
        steps=((None, "green"), (1, "red")),
    ),
    Panel(
        kind="stat",
        title="Nearest to a page",
        about="Largest evidence as a share of what a page needs.",
        queries=[
            Query(
                expr=f"max(vigil_signal_evidence{{{_M}}}) / scalar(vigil_evidence_threshold_ticks)",
                legend="share",
            )
        ],
        width=5,
        height=5,
        unit="percentunit",
        steps=((None, "green"), (0.1, "orange"), (1, "red")),
    ),
    Panel(
        kind="stat",
        title="Inferences",
        about="Inferences seen per second.",
        queries=[Query(expr=f"sum(rate(vigil_inferences_total{{{_M}}}[5m]))", legend="rate")],
        width=5,
        height=5,
        unit="reqps",
    ),
    Panel(
        kind="stat",
        title="Last check",
        about="Age of the newest judged window. Growing: vigil has stopped judging.",
        queries=[Query(expr="time() - vigil_last_tick_timestamp_seconds", legend="age")],
        width=5,
        height=5,
        unit="s",
        steps=((None, "green"), (180, "orange"), (600, "red")),
    ),
    Panel(
        kind="stat",
        title="Messages waiting",
        about="Pages that have not reached their receiver.",
        queries=[Query(expr="vigil_outbox_waiting", legend="waiting")],
        width=5,
        height=5,
        steps=((None, "green"), (1, "orange"), (10, "red")),
    ),
)
_DRIFT = (
    Panel(
        kind="timeseries",
        title="Evidence, as a share of what a page needs (top 10)",
        about="Shiryaev-Roberts evidence over its threshold: a page goes out at 1.",
        queries=[
            Query(
                expr=f"topk(10, vigil_signal_evidence{{{_S}}})"
                " / scalar(vigil_evidence_threshold_ticks)",
                legend="{{model}} {{slice}} {{signal}}",
            )
        ],
        width=12,
        height=9,
        unit="none",
        log_base=10,
        line_at=1.0,
    ),
    Panel(
        kind="timeseries",
        title="Distance from the baseline (top 10)",
        about="Effect sizes: KS distance, total variation, root MMD, loss of accuracy.",
        queries=[
            Query(
                expr=f"topk(10, vigil_signal_effect{{{_S}}})",
                legend="{{model}} {{slice}} {{signal}}",
            )
        ],
        width=12,
        height=9,
        unit="none",
    ),
    Panel(
        kind="timeseries",
        title="Mean of the signals, all traffic",
        about="In each signal's own unit.",
        queries=[
            Query(
                expr=f'vigil_signal_mean{{{_M},slice="all traffic",signal=~"$signal"}}',
                legend="{{model}} {{signal}}",
            )
        ],
        width=12,
        unit="none",
    ),
    Panel(
        kind="timeseries",
        title="Open incidents by severity",
        about="Incidents that are not resolved.",
        queries=[
            Query(
                expr=f"sum by (model, severity) (vigil_incidents_open{{{_M}}})",
                legend="{{model}} {{severity}}",
            )
        ],
        width=12,
        stacked=True,
    ),
)
_TRAFFIC = (
    Panel(
        kind="timeseries",
        title="Inferences by version",
        about="A release shows as one version taking over from another.",
        queries=[
            Query(
                expr=f"sum by (model, version) (rate(vigil_inferences_total{{{_M}}}[5m]))",
                legend="{{model}}@{{version}}",
            )
        ],
        width=8,
        unit="reqps",
        stacked=True,
    ),
    Panel(
        kind="timeseries",
        title="Latency",
        about="Of an inference, from counts per bin.",
        queries=[
            Query(
                expr=f"vigil_latency_seconds{{{_M}}}",
                legend="{{model}}@{{version}} p{{quantile}}",
            )
        ],
        width=8,
        unit="s",
    ),
    Panel(
        kind="timeseries",
        title="Age of each source's last window",
        about="A source that stops climbs without end.",
        queries=[
            Query(
                expr=f"time() - vigil_source_last_window_timestamp_seconds{{{_M}}}",
                legend="{{source}}",
            )
        ],
        width=8,
        unit="s",
    ),
    Panel(
        kind="timeseries",
        title="Windows received, records dropped",
        about="Rejected windows and dropped records are counted, never silent.",
        queries=[
            Query(
                expr="sum by (status) (rate(vigil_windows_ingested_total[5m]))",
                legend="windows {{status}}",
            ),
            Query(
                expr=f"sum by (source) (rate(vigil_records_dropped_total{{{_M}}}[5m]))",
                legend="dropped by {{source}}",
            ),
        ],
        width=12,
        unit="ops",
    ),
    Panel(
        kind="timeseries",
        title="Labels",
        about="Labels joined to their predictions, and refused ones.",
        queries=[
            Query(
                expr=f"sum by (model, status) (rate(vigil_labels_total{{{_M}}}[15m]))",
                legend="{{model}} {{status}}",
            )
        ],
        width=12,
        unit="ops",
    ),
)
_RESPONSE = (
    Panel(
        kind="timeseries",
        title="From onset to detection, page and mitigation (median)",
        about="Over the last day.",
        queries=[
            Query(expr=_quantile(0.5, "vigil_time_to_detect_seconds", "1d"), legend="detected"),
            Query(expr=_quantile(0.5, "vigil_time_to_page_seconds", "1d"), legend="paged"),
            Query(expr=_quantile(0.5, "vigil_time_to_mitigate_seconds", "1d"), legend="mitigated"),
        ],
        width=8,
        unit="s",
    ),
    Panel(
        kind="table",
        title="Incidents by cause, last 7 days",
        about="Incidents opened.",
        queries=[
            Query(
                expr="sum by (model, deployment, cause)"
                f" (increase(vigil_incidents_total{{{_M}}}[7d]))",
                instant=True,
            )
        ],
        width=8,
    ),
    Panel(
        kind="timeseries",
        title="What vigil did",
        about="Messages, rollbacks by outcome, images queued for labelling; per hour.",
        queries=[
            Query(
                expr="sum by (receiver, outcome) (increase(vigil_pages_total[1h]))",
                legend="{{receiver}} {{outcome}}",
            ),
            Query(
                expr=f"sum by (outcome) (increase(vigil_rollbacks_total{{{_M}}}[1h]))",
                legend="rollback {{outcome}}",
            ),
            Query(expr=f"sum(increase(vigil_relabel_items_total{{{_M}}}[1h]))", legend="re-label"),
        ],
        width=8,
    ),
)
_SELF = (
    Panel(
        kind="timeseries",
        title="Checks per minute",
        about="One for each window of time; a gap means nobody judged, a failure one model less.",
        queries=[
            Query(expr="60 * sum(rate(vigil_ticks_total[5m]))", legend="checks"),
            Query(
                expr="60 * sum by (model) (rate(vigil_models_failed_total[5m]))",
                legend="failed: {{model}}",
            ),
        ],
        width=12,
        height=6,
    ),
    Panel(
        kind="timeseries",
        title="Time of a check",
        about="Half of them and 99 % of them take less.",
        queries=[
            Query(expr=_quantile(0.5, "vigil_tick_duration_seconds", "5m"), legend="median"),
            Query(expr=_quantile(0.99, "vigil_tick_duration_seconds", "5m"), legend="99 %"),
        ],
        width=12,
        height=6,
        unit="s",
    ),
    Panel(
        kind="timeseries",
        title="Self-audit: pages against the budget",
        about="Stored healthy windows, replayed: see vigil audit.",
        queries=[
            Query(expr="vigil_audit_pages", legend="pages"),
            Query(expr="vigil_audit_budget_pages", legend="allowed"),
        ],
        width=6,
        height=6,
    ),
    Panel(
        kind="timeseries",
        title="Called false in 30 days, against the budget",
        about="Incidents whose disposition is a false alarm.",
        queries=[
            Query(expr="vigil_false_pages_30d", legend="called false"),
            Query(expr="vigil_false_pages_budget_30d", legend="allowed"),
        ],
        width=6,
        height=6,
    ),
    Panel(
        kind="stat",
        title="Pages per allowed page",
        about="In the last self-audit; 1 is the budget.",
        queries=[Query(expr="vigil_audit_realised_rate", legend="rate")],
        width=4,
        height=6,
        steps=((None, "green"), (1, "orange"), (3, "red")),
    ),
    Panel(
        kind="stat",
        title="Leaking strata",
        about="Streams that lean at some hour or place: see vigil audit.",
        queries=[Query(expr="vigil_audit_leaking_streams", legend="leaking")],
        width=4,
        height=6,
        steps=((None, "green"), (1, "orange")),
    ),
    Panel(
        kind="stat",
        title="Last self-audit",
        about="Its age.",
        queries=[Query(expr="time() - vigil_audit_timestamp_seconds", legend="age")],
        width=4,
        height=6,
        unit="s",
    ),
)


def overview() -> Json:
    """The dashboard, as ``POST /api/dashboards/db`` takes it under ``dashboard``."""
    return {
        "uid": UID,
        "title": "vigil: models in production",
        "description": "What is wrong with the vision models, where, and since when.",
        "tags": ["vigil"],
        "schemaVersion": 39,
        "version": 0,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "utc",
        "annotations": {"list": []},
        "links": [],
        "templating": {
            "list": [
                {
                    "name": "datasource",
                    "type": "datasource",
                    "label": "Data source",
                    "query": "prometheus",
                    "current": {},
                    "hide": 0,
                },
                _variable("model", "vigil_inferences_total", "Model"),
                _variable("deployment", "vigil_inferences_total", "Deployment"),
                _variable("slice", f"vigil_signal_effect{{{_M}}}", "Slice"),
                _variable("signal", f"vigil_signal_effect{{{_M}}}", "Signal"),
            ]
        },
        "panels": laid_out(
            (
                ("Now", _NOW),
                ("Drift", _DRIFT),
                ("Traffic", _TRAFFIC),
                ("Response", _RESPONSE),
                ("vigil itself", _SELF),
            )
        ),
    }


def stored() -> Json:
    """The dashboard as it lies in the package."""
    text = resources.files("dashboards.grafana").joinpath("overview.json").read_text("utf-8")
    found: Json = json.loads(text)
    return found


def as_text() -> str:
    return json.dumps(overview(), indent=2, ensure_ascii=False) + "\n"


def _variable(name: str, metric: str, label: str) -> Json:
    return {
        "name": name,
        "type": "query",
        "label": label,
        "datasource": DATASOURCE,
        "query": {"query": f"label_values({metric}, {name})", "refId": name},
        "definition": f"label_values({metric}, {name})",
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
        "sort": 1,
        "hide": 0,
    }


if __name__ == "__main__":
    Path(__file__).with_name("overview.json").write_text(as_text(), encoding="utf-8")
