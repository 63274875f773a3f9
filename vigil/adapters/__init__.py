"""Ways to record models that others serve. Each module needs only what the caller brought."""
