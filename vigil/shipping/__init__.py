"""How sealed windows and labels reach the service: spool, transport, shipper."""
