"""Releases, rollbacks and incidents as annotations over dashboards."""
