"""The console's routes and the queries that fill its read models."""
