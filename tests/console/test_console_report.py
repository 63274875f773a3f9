"""The report that is kept with an incident: its link, its page, and what the page may do."""

from __future__ import annotations

from console_browser import TestClient
from console_world import NOW, Fleet

from monitor.reports import kept
from monitor.reports.kept import Kept


def remember(fleet: Fleet, number: int, one: Kept) -> None:
    with fleet.sessions.begin() as session:
        kept.save(session, {number: one}, at=NOW)


def test_the_incident_links_its_report(fleet: Fleet, client: TestClient) -> None:
    """Nothing where none was begun; then its state; then the link."""
    number = fleet.incidents["input_fault"]
    address = f"/incidents/{number}"
    assert "<em>report</em>" not in client.get(address).text
    remember(fleet, number, Kept(attempts=1, began_s=1.0))
    assert "being drawn" in client.get(address).text
    remember(fleet, number, Kept(attempts=1, began_s=1.0, ended_s=2.0, error="<b>no samples"))
    assert "could not be drawn: &lt;b&gt;no samples" in client.get(address).text
    assert f'href="{address}/report"' not in client.get(address).text
    size = kept.put_page(fleet.samples, number, "<html><script>1</script></html>")
    remember(fleet, number, Kept(attempts=1, began_s=1.0, ended_s=2.0, size=size))
    assert f'href="{address}/report"' in client.get(address).text


def test_a_reports_scripts_are_nobodys_session(fleet: Fleet, client: TestClient) -> None:
    """Its page runs scripts: in a sandbox with an origin of its own, and it can call nobody."""
    number = fleet.incidents["input_fault"]
    kept.put_page(fleet.samples, number, "<html><script>1</script></html>")
    answer = client.get(f"/incidents/{number}/report")
    assert answer.status_code == 200
    assert answer.text == "<html><script>1</script></html>"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts;")
    assert "allow-same-origin" not in policy
    assert "default-src 'none'" in policy
    assert "connect-src" not in policy


def test_a_report_that_is_not_there_is_not_found(fleet: Fleet, client: TestClient) -> None:
    """No page, or no incident: 404, and how to make one."""
    number = fleet.incidents["domain_shift"]
    answer = client.get(f"/incidents/{number}/report")
    assert answer.status_code == 404
    assert "vigil incidents report" in answer.text
    assert client.get("/incidents/99999/report").status_code == 404
