"""The history of the tables, as Alembic migrations; ``vigil db upgrade`` runs them."""
