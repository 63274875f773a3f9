"""``vigil sidecar``: reads the rings of inference processes beside it, and ships their windows."""
