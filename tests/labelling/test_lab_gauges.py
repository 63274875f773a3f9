"""Quality as gauges: what is gone is not shown for ever."""

from __future__ import annotations

from label_rows import NOON, annotation_row, label_row, task_row
from sqlalchemy import delete

from monitor.labelling.quality_gauges import QualityGauges
from monitor.services import open_services
from monitor.settings.schema import Service, Settings, WatchedModel
from monitor.store.samples import MemorySamples
from monitor.store.tables import AnnotationRow, LabelRow, LabelTaskRow
from vigil.clock import ManualClock


def test_gauges_follow_the_labels(sqlite_url: str) -> None:
    services = open_services(
        Settings(
            service=Service(database=sqlite_url),
            models=(WatchedModel(name="reader"), WatchedModel(name="unlabelled")),
        ),
        clock=ManualClock(NOON),
        samples=MemorySamples(),
    )
    with services.sessions.begin() as session:
        session.add_all([label_row(f"r-{k}", right=k > 3) for k in range(40)])
        for k in range(6):
            row = task_row(f"g-{k}", gold=True, gold_label=3 if k < 3 else 5, inclusion=None)
            session.add(row)
            session.flush()
            session.add(annotation_row(row, "ann", 3 if k < 3 else 5))
            session.add(annotation_row(row, "bo", 3))
    gauges = QualityGauges(services)
    gauges.run_due()
    text = services.metrics.text().decode()
    whole = 'vigil_quality_accuracy{bound="%s",deployment="production",model="reader",slice="%s"}'
    assert whole % ("value", "all traffic") + " 0.9\n" in text
    assert whole % ("value", "site=north") + " 0.9\n" in text
    assert whole % ("low", "all traffic") in text
    assert 'vigil_label_gold_right{deployment="production",model="reader"} 0.75' in text
    assert 'vigil_label_agreement{deployment="production",model="reader"}' in text
    assert "unlabelled" not in text
    with services.sessions.begin() as session:
        for table in (AnnotationRow, LabelTaskRow, LabelRow):
            session.execute(delete(table))
    gauges.run_due()
    assert "vigil_quality_accuracy{" not in services.metrics.text().decode()
    services.close()
