"""The ledger of what serves: what was meant to, what does, and where the two differ."""
