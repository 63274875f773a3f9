"""Where a rollback takes place: one protocol, several targets."""
