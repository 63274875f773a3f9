"""The Grafana overview: built by a small builder, kept as JSON, pushed over HTTP."""
