"""What each setting means, for the documentation; a test holds it to the schema."""

from __future__ import annotations

MEANINGS: dict[str, str] = {
    "runbooks": "a folder of Markdown pages that replace or add to those that ship with vigil",
    "service.listen": "host and port to listen on; beyond loopback, reading needs a token too",
    "service.url": "where people and taps reach the service; links in pages start with it",
    "service.allowed_hosts": "further `Host` headers to answer to",
    "service.database": "`sqlite:///file`, or `postgresql://user@host/name`",
    "service.database_password": "the password that goes into the database's URL",
    "service.samples": "where sampled records are kept: a folder, or any fsspec URL such as "
    "`s3://bucket/path`",
    "service.window_s": "length of a window, and of a tick, in seconds; taps must use the same",
    "service.lateness_s": "how long after its end a window may arrive and still be in its tick",
    "service.max_future_s": "a window that ends further ahead than this is refused",
    "service.session_secret": "signs the console's session cookies; without it, people log in "
    "again after a restart",
    "budget.false_pages": "how many false pages are acceptable ...",
    "budget.per_days": "... in how many days, over all models, slices and signals together: 85 % "
    "are for changes, 5 % each for risk and calibration as late labels show them, 5 % for "
    "guardrails; of tickets, which wake nobody, there may be as many again; plain rules (no data, "
    "broken values) are not counted",
    "retention.windows_days": "how long windows are kept whole",
    "retention.samples_days": "how long sampled records, and their thumbnails, are kept",
    "retention.ledger_days": "how long a label may come after its prediction",
    "retention.history_days": "how long ticks, verdicts and closed incidents are kept",
    "checks.min_history": "windows of healthy history before a stream is judged without "
    "`provisional`",
    "checks.silent_after_windows": "windows without data before a declared source, or all of a "
    "model, counts as silent",
    "checks.idle_after_windows": "windows without a single inference before that is missed",
    "checks.missing_share": "share of missing values that is a hard fault",
    "checks.min_records": "windows with fewer records are not judged",
    "checks.recovered_windows": "windows below the tolerance before a cure counts as proven",
    "checks.reopen_within_windows": "an alert that comes back so soon after its incident was "
    "resolved reopens it; 0 never does",
    "checks.unproven_after_s": "after so long without recovery, an action is `unproven` and "
    "escalated",
    "checks.drift_every_s": "how often traffic is compared with the training baseline; each time, "
    "the last 64 windows are",
    "checks.drift_over_s": "a ticket about drift from the baseline judges traffic over so long, so "
    "that nights do not open one",
    "audit.every_days": "how often the service audits itself, see `vigil audit`; 0 never does",
    "models[].name": "the model's name, as its tap says it",
    "models[].deployment": "where it runs, as its tap says it",
    "models[].owner": "who is asked first",
    "models[].keys": "metadata that make slices, at most four, such as `site` and `camera`",
    "models[].sources": "sources that must not fall silent; others may come and go",
    "models[].class_names": "names of the classes, in the order of the model's outputs",
    "models[].pixels": "`none` keeps no image; `thumbnails` keeps small ones with sampled records",
    "models[].latency_objective_s": "what the 99th percentile of latency is held to",
    "models[].tolerance": "signal = the drift, in units of its effect, that never pages",
    "models[].guardrails[].slice": "where it holds: `key=value`, several joined by ` & `, or "
    "`all traffic`",
    "models[].guardrails[].signal": "`accuracy`, `calibration`, `predicted_class` or any scalar "
    "signal",
    "models[].guardrails[].margin": "how far the signal may be from its baseline, in units of its "
    "effect; beyond it drift pages, instead of opening a ticket",
    "models[].rollback.target": "how a rollback is carried out",
    "models[].rollback.registry": "the file of the local registry",
    "models[].rollback.url": "the webhook of the pipeline that rolls back",
    "models[].rollback.secret": "signs calls of the webhook (HMAC-SHA256)",
    "models[].rollback.automatic": "whether an allowed rollback waits for no one",
    "models[].rollback.dry_run": "plan and judge rollbacks, and carry out none",
    "models[].rollback.cooldown_s": "rest after a rollback before the next one",
    "models[].rollback.max_per_day": "rollbacks in 24 hours, at most",
    "models[].rollback.approval_expires_s": "how long a waiting plan may be approved",
    "models[].replay.url": "runs a version on given images: the rollback's counterfactual",
    "models[].replay.secret": "signs calls of the replay endpoint",
    "models[].replay.timeout_s": "how long a replay may take",
    "models[].relabel.folder": "where queued images and their list are exported",
    "models[].relabel.budget": "images queued for one incident, at most",
    "receivers.* (console).kind": "prints pages where the service runs",
    "receivers.* (slack).kind": "posts to a Slack channel and keeps the message up to date",
    "receivers.* (slack).token": "the bot's token",
    "receivers.* (slack).channel": "the channel's name or id",
    "receivers.* (slack).url": "Slack's API, or a stand-in",
    "receivers.* (pagerduty).kind": "opens, acknowledges and resolves through Events v2",
    "receivers.* (pagerduty).routing_key": "the integration's key of 32 characters",
    "receivers.* (pagerduty).url": "PagerDuty's events API, or a stand-in",
    "routes[].receivers": "names of the receivers that this route pages",
    "routes[].match.model": "only incidents of this model",
    "routes[].match.severity": "only incidents of this severity",
    "routes[].match.cause": "only incidents of this cause",
    "grafana.url": "where `vigil dashboards push` pushes to",
    "grafana.token": "a service account's token",
    "grafana.folder": "the folder of the dashboards",
    "grafana.datasource": "uid of the Prometheus data source",
}
