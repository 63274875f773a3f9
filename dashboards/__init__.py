"""What people look at: the built-in console's pages and the Grafana dashboard.

Nothing here reads a database or a clock; pages are handed read models, dashboards the metric names.
"""
