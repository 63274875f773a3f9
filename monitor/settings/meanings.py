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
    "models[].upstream": "what feeds it, by a name that all models behind it share: what "
    "breaks them together is told once",
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
    "models[].gate.margin": "`vigil gate`: loss of accuracy of a candidate that is acceptable",
    "models[].gate.slice_margin": "the same on each slice; guardrails on accuracy have their own",
    "models[].gate.by": "columns whose values are slices, beside `keys`",
    "models[].gate.least_records": "slices with fewer records are not looked at",
    "models[].gate.error_rate": "the chance of each wrong answer of a check",
    "models[].gate.calibration_margin": "rise of the calibration error that is acceptable",
    "models[].gate.scenarios": "a TOML file of images that a candidate must get right",
    "models[].gate.latency_quantile": "which quantile of latency is held to its limits",
    "models[].gate.latency_rise": "its rise over the version that serves that is acceptable",
    "models[].gate.latency_budget_s": "seconds that it may reach; unset: no budget",
    "models[].gate.cost_rise": "rise of the mean `cost` that is acceptable",
    "models[].gate.cost_budget": "what an answer may cost; unset: no budget",
    "models[].relabel.folder": "where queued images and their list are exported",
    "models[].retraining.datasets": "where datasets are written: a folder or an fsspec "
    "URL; unset: beside the samples",
    "models[].retraining.hook": "who trains: a signed webhook, a GitHub Actions "
    "workflow, an Airflow DAG, an Argo workflow template; `none`: people do",
    "models[].retraining.url": "the webhook, or the server's API; GitHub's own where unset",
    "models[].retraining.secret": "signs the webhook's body, or is the API's token or password",
    "models[].retraining.user": "Airflow: the account, for basic authentication; empty: a token",
    "models[].retraining.repository": "GitHub: `owner/name`",
    "models[].retraining.workflow": "GitHub: the workflow's file, such as `train.yml`",
    "models[].retraining.ref": "GitHub: the branch that the workflow runs on",
    "models[].retraining.dag": "Airflow: the DAG's id",
    "models[].retraining.namespace": "Argo: where the workflow runs",
    "models[].retraining.template": "Argo: the workflow template's name",
    "models[].retraining.automatic": "whether what a rule proposed waits for no one",
    "models[].retraining.after_labels": "propose when an incident's images got so many "
    "labels; unset: never",
    "models[].retraining.accuracy_below": "propose when the accuracy is surely below; unset: never",
    "models[].retraining.older_than_days": "propose when a version served so long and labels "
    "came; unset: never",
    "models[].retraining.labels_of_days": "a dataset holds the labels of predictions of so "
    "many days",
    "models[].retraining.rest_days": "after a proposal, rules propose nothing for so long",
    "models[].retraining.judge_after_labels": "the new version is judged once it has so many "
    "labels on the incident's slice ...",
    "models[].retraining.judge_within_days": "... or so long after its release, with what there is",
    "models[].retraining.least_gain": "a rise of accuracy that is surely less than this is no help",
    "models[].relabel.budget": "images queued for one incident, at most",
    "models[].relabel.poll_s": "how often the queue is asked for labels",
    "models[].relabel.annotators": "so many people must have labelled an image; most of them decide",
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
    "routes[].match.severity": "only incidents of this severity or worse",
    "routes[].match.cause": "only incidents of this cause",
    "grafana.url": "where `vigil dashboards push` pushes to",
    "grafana.token": "a service account's token",
    "grafana.folder": "the folder of the dashboards",
    "grafana.datasource": "uid of the Prometheus data source",
    "receivers.* (slack-webhook).kind": "posts to Slack through an incoming webhook: no updates, no"
    " buttons",
    "receivers.* (alertmanager).kind": "fires and resolves alerts in Alertmanager",
    "receivers.* (teams).kind": "posts an Adaptive Card to Microsoft Teams",
    "receivers.* (jsm).kind": "alerts in Jira Service Management (or Opsgenie, with its `url`)",
    "receivers.* (jira).kind": "opens an issue in Jira and comments on it",
    "receivers.* (servicenow).kind": "sends events to ServiceNow",
    "receivers.* (email).kind": "sends mail through an SMTP server",
    "receivers.* (webhook).kind": "posts signed JSON to an endpoint of yours",
    "receivers.* (slack).signing_secret": "verifies clicks on buttons; without it messages have "
    "none",
    "receivers.* (slack).people": "Slack user id = what that person may do with a button: viewer, "
    "operator, approver or admin",
    "receivers.* (slack-webhook).url": "the webhook's URL, which is a secret",
    "receivers.* (pagerduty).webhook_secret": "verifies PagerDuty's webhooks, so that an "
    "acknowledgement there counts here",
    "receivers.* (alertmanager).url": "Alertmanager's address",
    "receivers.* (alertmanager).token": "a bearer token, where one is asked for",
    "receivers.* (teams).url": "the workflow's URL, which is a secret",
    "receivers.* (jsm).key": "the integration's key (GenieKey)",
    "receivers.* (jsm).url": "the API; `https://api.opsgenie.com/v2` for Opsgenie",
    "receivers.* (jira).url": "the site, `https://you.atlassian.net`",
    "receivers.* (jira).user": "the account's e-mail address",
    "receivers.* (jira).token": "the account's API token",
    "receivers.* (jira).project": "the key of the project",
    "receivers.* (jira).issue_type": "the type of the issues",
    "receivers.* (jira).done": "the status to which a resolved incident's issue is moved",
    "receivers.* (servicenow).url": "the instance, `https://you.service-now.com`",
    "receivers.* (servicenow).user": "the account's name",
    "receivers.* (servicenow).password": "the account's password",
    "receivers.* (email).host": "the mail server",
    "receivers.* (email).port": "its port",
    "receivers.* (email).security": "`starttls`, `tls` from the first byte, or `none`",
    "receivers.* (email).user": "the account's name; empty where the server asks for none",
    "receivers.* (email).password": "the account's password",
    "receivers.* (email).sender": "the address that mail comes from",
    "receivers.* (email).to": "the addresses that it goes to",
    "receivers.* (webhook).url": "where JSON is posted to",
    "receivers.* (webhook).secret": "signs the body (HMAC-SHA256)",
    "routes[].match.kind": "only incidents of this kind, such as `vigil_self`",
    "routes[].match.slice": 'only incidents on traffic with these values, such as `{ site = "north"'
    " }`",
    "routes[].match.owner": "only incidents of models of this owner",
    "routes[].match.hours": "only in these hours (a name under `hours`)",
    "routes[].escalation": "who is told if nobody acknowledges (a name under `escalations`)",
    "routes[].proceed": "whether later routes are looked at too",
    "hours.*.days": "days of the week on which the hours begin",
    "hours.*.start": "the first minute, `09:00`",
    "hours.*.end": "the minute after the last, `17:30`",
    "hours.*.time_zone": "whose clocks",
    "escalations.*.repeat": "how often the steps are gone through again",
    "escalations.*.steps[].after_s": "seconds without an acknowledgement before this step",
    "escalations.*.steps[].receivers": "who is told then",
    "inhibit[].by": "labels of the incident that explains the others",
    "inhibit[].mute": "labels of those that are not told while it is open",
    "inhibit[].equal": "labels in which the two must agree",
    "incidents.flap_after": "an incident that reopens so often ...",
    "incidents.flap_over_s": "... within so long flaps: it stays open until as long is quiet",
    "incidents.repeat_within_days": "an incident like one so recent is linked to it as a repeat",
    "digest.receivers": "who gets a daily summary of what did not page; none: there is no digest",
    "digest.at": "when, by the clocks of `time_zone`",
    "digest.time_zone": "whose clocks",
    "digest.false_discoveries": "expected share of chance findings in the digest, at most",
    "heartbeat.every_s": "how often a sign of life is sent",
    "heartbeat.url": "is fetched while all is well, for any dead-man's switch",
    "heartbeat.receivers": "Alertmanagers that hold a `VigilAlive` alert while all is well",
    "heartbeat.ticks_late_after_s": "a check that is so late pages as vigil's own fault",
    "heartbeat.outbox_late_after_s": "a message undelivered for so long pages through another "
    "receiver",
    "models[].error_cost": "what a wrong answer costs, for post-mortems; unset: not known",
    "models[].currency": "of `error_cost`, such as EUR",
    "models[].labels_every_s": "labels are missed after so long without one; unset: never",
    "runbook_review_days": "a runbook that was not reviewed for so long is reported",
}

RECEIVER_KINDS = (
    "console slack slack-webhook pagerduty alertmanager teams jsm jira servicenow email webhook"
).split()

for _kind in RECEIVER_KINDS:
    MEANINGS[f"receivers.* ({_kind}).per_minute"] = (
        "at most so many messages a minute; then one summary instead of a flood"
    )
    MEANINGS[f"receivers.* ({_kind}).fallback"] = "the receiver that is told when this one is down"
