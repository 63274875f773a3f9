"""The catalogue is what Prometheus sees."""

from __future__ import annotations

import numpy as np
import pytest
import stored
from prometheus_client.parser import text_string_to_metric_families

from monitor.ingest.latency import latency_quantiles
from monitor.metrics import CATALOGUE, Metrics
from vigil.windows.summary import Summary


def test_every_metric_of_the_catalogue_is_exported() -> None:
    """By its name, with its help."""
    families = {
        family.name: family for family in text_string_to_metric_families(Metrics().text().decode())
    }
    for metric in CATALOGUE:
        family = families[metric.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (metric.kind, metric.help)


def test_names_and_labels_are_strict() -> None:
    """A name that is not in the catalogue, another kind or other labels are errors."""
    metrics = Metrics()
    with pytest.raises(KeyError):
        metrics.count("vigil_nonsense_total")
    with pytest.raises(KeyError):
        metrics.gauge("vigil_ticks_total", 1)
    with pytest.raises(ValueError, match="label"):
        metrics.count("vigil_pages_total", receiver="x")


def test_replaced_gauge_forgets_what_is_gone() -> None:
    """A resolved incident's series leaves."""
    metrics = Metrics()
    name = "vigil_incidents_open"
    metrics.replace(name, {("a", "p", "error"): 2})
    metrics.replace(name, {("b", "p", "error"): 1})
    text = metrics.text().decode()
    assert 'model="b"' in text
    assert 'model="a"' not in text


def test_registries_of_two_services_are_apart() -> None:
    """Nothing is shared by the process."""
    one, two = Metrics(), Metrics()
    one.count("vigil_ticks_total")
    assert "vigil_ticks_total 1.0" in one.text().decode()
    assert "vigil_ticks_total 0.0" in two.text().decode()


def test_latency_quantiles_from_counts() -> None:
    """The upper edge of the bin that holds the quantile; missing values do not count."""
    ruler = stored.ruler()
    row = ruler.layout.signals.index("latency_s")
    ruler.edges[row] = np.arange(1, 16) / 100
    summary = Summary.empty(ruler.layout, [("a", "b"), ("c", "d")])
    summary.counts[0, row, 0] = 50
    summary.counts[1, row, 4] = 49
    summary.counts[1, row, 15] = 1
    summary.counts[1, row, 16] = 900
    found = latency_quantiles(ruler, summary, (0.5, 0.9, 0.99, 1.0))
    assert found == {0.5: 0.01, 0.9: 0.05, 0.99: 0.05, 1.0: 0.15}
    assert latency_quantiles(ruler, Summary.empty(ruler.layout)) == {}
