"""What other systems send us: open to them by their signature or token, not by a session."""
