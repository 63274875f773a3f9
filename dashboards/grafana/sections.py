"""What the overview shows: its sections, and the panels of each as a table."""

from __future__ import annotations

from dashboards.grafana.panels import Panel, lines, stat, table

OF_MODEL = 'model=~"$model",deployment=~"$deployment"'
OF_SIGNAL = f'{OF_MODEL},slice=~"$slice",signal=~"$signal"'


def _quantile(q: float, metric: str, window: str) -> str:
    return f"histogram_quantile({q}, sum by (le) (rate({metric}_bucket[{window}])))"


_NOW = (
    stat(
        "Open incidents",
        "Incidents that are not resolved.",
        ("open", f"sum(vigil_incidents_open{{{OF_MODEL}}}) or vector(0)"),
        width=4,
        height=5,
        steps=((None, "green"), (1, "red")),
    ),
    stat(
        "Nearest to a page",
        "Largest evidence as a share of what a page needs.",
        (
            "share",
            f"max(vigil_signal_evidence{{{OF_MODEL}}}) / scalar(vigil_evidence_threshold_ticks)",
        ),
        width=5,
        height=5,
        unit="percentunit",
        steps=((None, "green"), (0.1, "orange"), (1, "red")),
    ),
    stat(
        "Inferences",
        "Inferences seen per second.",
        ("rate", f"sum(rate(vigil_inferences_total{{{OF_MODEL}}}[5m]))"),
        width=5,
        height=5,
        unit="reqps",
    ),
    stat(
        "Last check",
        "Age of the newest judged window. Growing: vigil has stopped judging.",
        ("age", "time() - vigil_last_tick_timestamp_seconds"),
        width=5,
        height=5,
        unit="s",
        steps=((None, "green"), (180, "orange"), (600, "red")),
    ),
    stat(
        "Messages waiting",
        "Pages that have not reached their receiver: on their way, or given up.",
        ("waiting", "vigil_outbox_waiting"),
        ("given up", "vigil_outbox_dead"),
        width=5,
        height=5,
        steps=((None, "green"), (1, "orange"), (10, "red")),
    ),
)

_DRIFT = (
    lines(
        "Evidence, as a share of what a page needs (top 10)",
        "Shiryaev-Roberts evidence over its threshold: a page goes out at 1.",
        (
            "{{model}} {{slice}} {{signal}}",
            f"topk(10, vigil_signal_evidence{{{OF_SIGNAL}}})"
            " / scalar(vigil_evidence_threshold_ticks)",
        ),
        width=12,
        height=9,
        unit="none",
        log_base=10,
        line_at=1.0,
    ),
    lines(
        "Distance from the baseline (top 10)",
        "Effect sizes: KS distance, total variation, root MMD, loss of accuracy.",
        ("{{model}} {{slice}} {{signal}}", f"topk(10, vigil_signal_effect{{{OF_SIGNAL}}})"),
        width=12,
        height=9,
        unit="none",
    ),
    lines(
        "Mean of the signals, all traffic",
        "In each signal's own unit.",
        (
            "{{model}} {{signal}}",
            f'vigil_signal_mean{{{OF_MODEL},slice="all traffic",signal=~"$signal"}}',
        ),
        width=12,
        unit="none",
    ),
    lines(
        "Open incidents by severity",
        "Incidents that are not resolved.",
        (
            "{{model}} {{severity}}",
            f"sum by (model, severity) (vigil_incidents_open{{{OF_MODEL}}})",
        ),
        width=12,
        stacked=True,
    ),
)

_TRAFFIC = (
    lines(
        "Inferences by version",
        "A release shows as one version taking over from another.",
        (
            "{{model}}@{{version}}",
            f"sum by (model, version) (rate(vigil_inferences_total{{{OF_MODEL}}}[5m]))",
        ),
        width=8,
        unit="reqps",
        stacked=True,
    ),
    lines(
        "Latency",
        "Of an inference, from counts per bin.",
        ("{{model}}@{{version}} p{{quantile}}", f"vigil_latency_seconds{{{OF_MODEL}}}"),
        width=8,
        unit="s",
    ),
    lines(
        "Age of each source's last window",
        "A source that stops climbs without end.",
        ("{{source}}", f"time() - vigil_source_last_window_timestamp_seconds{{{OF_MODEL}}}"),
        width=8,
        unit="s",
    ),
    lines(
        "Windows received, records dropped",
        "Rejected windows and dropped records are counted, never silent.",
        ("windows {{status}}", "sum by (status) (rate(vigil_windows_ingested_total[5m]))"),
        (
            "dropped by {{source}}",
            f"sum by (source) (rate(vigil_records_dropped_total{{{OF_MODEL}}}[5m]))",
        ),
        (
            "left out for privacy: {{reason}}",
            f"sum by (reason) (rate(vigil_privacy_withheld_total{{{OF_MODEL}}}[5m]))",
        ),
        width=8,
        unit="ops",
    ),
    lines(
        "Labels",
        "Labels joined to their predictions, and refused ones.",
        (
            "{{model}} {{status}}",
            f"sum by (model, status) (rate(vigil_labels_total{{{OF_MODEL}}}[15m]))",
        ),
        width=8,
        unit="ops",
    ),
    lines(
        "Cost of 1000 inferences",
        "The replicas' price over what they inferred; only of models with a price.",
        ("{{model}}", f"vigil_cost_per_thousand{{{OF_MODEL}}}"),
        width=8,
        unit="none",
    ),
)

_RESPONSE = (
    lines(
        "From onset to detection, page, mitigation and recovery (median)",
        "Over the last day; acknowledgement is counted from the page.",
        ("detected", _quantile(0.5, "vigil_time_to_detect_seconds", "1d")),
        ("paged", _quantile(0.5, "vigil_time_to_page_seconds", "1d")),
        ("acknowledged", _quantile(0.5, "vigil_time_to_acknowledge_seconds", "1d")),
        ("mitigated", _quantile(0.5, "vigil_time_to_mitigate_seconds", "1d")),
        ("recovered", _quantile(0.5, "vigil_time_to_recover_seconds", "1d")),
        width=8,
        unit="s",
    ),
    table(
        "Incidents by cause, last 7 days",
        "Incidents opened.",
        (
            "",
            "sum by (model, deployment, cause)"
            f" (increase(vigil_incidents_total{{{OF_MODEL}}}[7d]))",
        ),
        width=8,
    ),
    lines(
        "What vigil did",
        "Messages, rollbacks, canaries and controls by outcome, images queued; per hour.",
        (
            "{{receiver}} {{outcome}}",
            "sum by (receiver, outcome) (increase(vigil_pages_total[1h]))",
        ),
        (
            "rollback {{outcome}}",
            f"sum by (outcome) (increase(vigil_rollbacks_total{{{OF_MODEL}}}[1h]))",
        ),
        ("re-label", f"sum(increase(vigil_relabel_items_total{{{OF_MODEL}}}[1h]))"),
        (
            "canary {{outcome}}",
            f"sum by (outcome) (increase(vigil_canaries_total{{{OF_MODEL}}}[1h]))",
        ),
        (
            "{{what}} {{outcome}}",
            f"sum by (what, outcome) (increase(vigil_controls_total{{{OF_MODEL}}}[1h]))",
        ),
        width=8,
    ),
)

_QUALITY = (
    lines(
        "Accuracy, as labels know it",
        "Of the last 30 days, by slice, weighted by how records were drawn.",
        (
            "{{model}} {{slice}} {{bound}}",
            f'vigil_quality_accuracy{{{OF_MODEL},slice=~"$slice"}}',
        ),
        width=12,
        unit="percentunit",
    ),
    lines(
        "Labels: gold items right, agreement",
        "Share of gold items that labellers got right; Krippendorff's alpha, 1 is perfect.",
        ("{{model}} gold", f"vigil_label_gold_right{{{OF_MODEL}}}"),
        ("{{model}} alpha", f"vigil_label_agreement{{{OF_MODEL}}}"),
        width=6,
        unit="none",
    ),
    lines(
        "Retrainings",
        "By what became of them; per day.",
        (
            "{{model}} {{outcome}}",
            f"sum by (model, outcome) (increase(vigil_retrainings_total{{{OF_MODEL}}}[1d]))",
        ),
        width=6,
    ),
    lines(
        "Images picked for labelling",
        "By what became of them: those that wait are picked and queued.",
        (
            "{{model}} {{state}}",
            f"sum by (model, state) (vigil_label_tasks{{{OF_MODEL}}})",
        ),
        width=12,
    ),
    lines(
        "Oldest image that waits for its label",
        "0 where none waits; too old, it leaves the queue.",
        ("{{model}}", f"max by (model) (vigil_label_oldest_seconds{{{OF_MODEL}}})"),
        width=12,
        unit="s",
    ),
)

_SELF = (
    lines(
        "Checks per minute",
        "One for each window of time; a gap means nobody judged, a failure one model less."
        " Beside them what vigil finds wrong with itself, and receivers that are down.",
        ("checks", "60 * sum(rate(vigil_ticks_total[5m]))"),
        ("troubles", "sum(vigil_troubles)"),
        ("down: {{receiver}}", "sum by (receiver) (vigil_receiver_down)"),
        ("failed: {{model}}", "60 * sum by (model) (rate(vigil_models_failed_total[5m]))"),
        width=12,
        height=6,
    ),
    lines(
        "Time of a check",
        "Half of them and 99 % of them take less.",
        ("median", _quantile(0.5, "vigil_tick_duration_seconds", "5m")),
        ("99 %", _quantile(0.99, "vigil_tick_duration_seconds", "5m")),
        width=12,
        height=6,
        unit="s",
    ),
    lines(
        "Self-audit: pages against the budget",
        "Stored healthy windows, replayed: see vigil audit.",
        ("pages", "vigil_audit_pages"),
        ("allowed", "vigil_audit_budget_pages"),
        width=6,
        height=6,
    ),
    lines(
        "Called false in 30 days, against the budget",
        "Incidents whose disposition is a false alarm.",
        ("called false", "vigil_false_pages_30d"),
        ("allowed", "vigil_false_pages_budget_30d"),
        width=6,
        height=6,
    ),
    stat(
        "Pages per allowed page",
        "In the last self-audit; 1 is the budget.",
        ("rate", "vigil_audit_realised_rate"),
        width=4,
        height=6,
        steps=((None, "green"), (1, "orange"), (3, "red")),
    ),
    stat(
        "Leaking strata",
        "Streams that lean at some hour or place: see vigil audit.",
        ("leaking", "vigil_audit_leaking_streams"),
        width=4,
        height=6,
        steps=((None, "green"), (1, "orange")),
    ),
    stat(
        "Last self-audit",
        "Its age.",
        ("age", "time() - vigil_audit_timestamp_seconds"),
        width=4,
        height=6,
        unit="s",
    ),
)

SECTIONS: tuple[tuple[str, tuple[Panel, ...]], ...] = (
    ("Now", _NOW),
    ("Drift", _DRIFT),
    ("Traffic", _TRAFFIC),
    ("Response", _RESPONSE),
    ("Quality", _QUALITY),
    ("vigil itself", _SELF),
)
