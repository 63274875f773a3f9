"""Where windows, evidence, incidents and effects are kept: one schema for SQLite and PostgreSQL."""
