"""Behind the ring: calls to windows, windows to the spool, spool to the service."""
