"""The Grafana overview: whole, known metrics only, and every query runs on a real Prometheus."""

from __future__ import annotations

import http.server
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from dashboards.grafana.overview import UID, as_text, overview, stored
from monitor.metrics import CATALOGUE, Metrics

PROMETHEUS = shutil.which("prometheus")
VARIABLES = {"model": ".*", "deployment": ".*", "slice": ".*", "signal": ".*"}
HISTOGRAM_PARTS = ("_bucket", "_sum", "_count")


def panels() -> list[dict[str, Any]]:
    return [panel for panel in overview()["panels"] if panel["type"] != "row"]


def queries() -> list[tuple[str, str]]:
    return [(p["title"], t["expr"]) for p in panels() for t in p["targets"]]


def known_names() -> set[str]:
    names = set()
    for metric in CATALOGUE:
        parts = HISTOGRAM_PARTS if metric.kind == "histogram" else ("",)
        names |= {metric.name + part for part in parts}
    return names


def test_the_stored_dashboard_is_the_built_one() -> None:
    """overview.json in the package is what the builder makes; rebuild it after a change."""
    assert stored() == overview()
    assert as_text().endswith("\n")


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    """Every panel has a place of its own inside the 24 columns."""
    taken: set[tuple[int, int]] = set()
    everything = overview()["panels"]
    assert len({panel["id"] for panel in everything}) == len(everything)
    for panel in everything:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


def test_panels_carry_what_grafana_11_needs() -> None:
    """Type, title, datasource by variable, targets with refIds, field configuration."""
    for panel in panels():
        assert panel["type"] in ("stat", "timeseries", "table")
        assert panel["title"]
        assert panel["description"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        letters = [target["refId"] for target in panel["targets"]]
        assert letters == list("ABCDEFGH")[: len(letters)]
        steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        assert steps[0]["value"] is None
    assert overview()["schemaVersion"] >= 39
    assert overview()["uid"] == UID


@pytest.mark.parametrize(("title", "expr"), queries())
def test_every_metric_in_a_query_is_in_the_catalogue(title: str, expr: str) -> None:
    """A renamed metric fails here, not in an empty panel at night."""
    names = set(re.findall(r"vigil_[a-z0-9_]+", expr))
    assert names, title
    assert names <= known_names()


def test_every_metric_of_the_catalogue_is_on_the_overview() -> None:
    """What vigil measures can be seen."""
    shown = set(re.findall(r"vigil_[a-z0-9_]+", " ".join(expr for _, expr in queries())))
    shown = {name.removesuffix("_bucket") for name in shown}
    assert {metric.name for metric in CATALOGUE} <= shown


def test_a_query_uses_only_labels_that_its_metric_has() -> None:
    """A matcher on a label that is not there would match nothing for ever."""
    labels = {metric.name: set(metric.labels) for metric in CATALOGUE}
    for _, expr in queries():
        for name, matchers in re.findall(r"(vigil_[a-z0-9_]+)\{([^}]*)\}", expr):
            used = set(re.findall(r"(\w+)=", matchers))
            assert used <= labels[name.removesuffix("_bucket")], expr


def filled() -> Metrics:
    """Every metric of the catalogue, with a value."""
    metrics = Metrics()
    for metric in CATALOGUE:
        labels = {label: f"a {label}" for label in metric.labels}
        if "slice" in labels:
            labels["slice"] = "all traffic"
        if "quantile" in labels:
            labels["quantile"] = "0.99"
        if metric.kind == "counter":
            metrics.count(metric.name, 5, **labels)
        elif metric.kind == "gauge":
            metrics.gauge(metric.name, 3.0, **labels)
        else:
            metrics.observe(metric.name, 2.0)
    return metrics


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A real Prometheus that has scraped a vigil's metrics at least twice."""
    if PROMETHEUS is None:
        pytest.skip("Prometheus is not installed")
    metrics = filled()

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            for metric in CATALOGUE:  # rates need counters that move
                if metric.kind == "histogram":
                    metrics.observe(metric.name, 2.0)
            body = metrics.text()
            body = body if isinstance(body, bytes) else str(body).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            return

    exporter = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=exporter.serve_forever, daemon=True).start()
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 200ms, scrape_timeout: 200ms}\n"
        "scrape_configs: [{job_name: vigil, static_configs: "
        f"[{{targets: ['127.0.0.1:{exporter.server_port}']}}]}}]\n"
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [
            PROMETHEUS,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=error",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=5) as client:
            _wait_for_scrapes(client)
            yield client
    finally:
        process.terminate()
        process.wait(10)
        exporter.shutdown()
        exporter.server_close()


def _wait_for_scrapes(client: httpx.Client) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            answer = client.get(
                "/api/v1/query", params={"query": "count_over_time(vigil_ticks_total[1m])"}
            )
            found = answer.json()["data"]["result"]
            if found and float(found[0]["value"][1]) >= 4:
                return
        except (httpx.HTTPError, KeyError, ValueError):
            pass
        time.sleep(0.1)
    pytest.fail("Prometheus did not scrape the metrics in 30 s")


def as_grafana_sends(expr: str) -> str:
    """With every variable set to All."""
    return re.sub(r"\$(\w+)", lambda found: VARIABLES[found[1]], expr)


@pytest.mark.prometheus
@pytest.mark.parametrize(("title", "expr"), queries())
def test_every_query_gives_a_result_on_a_real_prometheus(
    prometheus: httpx.Client, title: str, expr: str
) -> None:
    """No panel is empty once every metric has a value."""
    answer = prometheus.get("/api/v1/query", params={"query": as_grafana_sends(expr)}).json()
    assert answer["status"] == "success", answer
    assert answer["data"]["result"], f"{title}: nothing came back for {expr}"


@pytest.mark.prometheus
def test_every_variable_finds_its_values(prometheus: httpx.Client) -> None:
    """The drop-downs list the models, deployments, slices and signals that there are."""
    for variable in overview()["templating"]["list"][1:]:
        found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
        assert found, variable
        answer = prometheus.get(
            f"/api/v1/label/{found[2]}/values",
            params={"match[]": as_grafana_sends(found[1])},
        ).json()
        assert answer["data"], variable["name"]


def test_the_queries_name_only_declared_variables() -> None:
    """A variable that is not declared would reach Prometheus as text."""
    declared = {variable["name"] for variable in overview()["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", as_text()))
    assert used - {"__all"} <= declared
