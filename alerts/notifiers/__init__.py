"""Where messages go: one protocol, and one file a receiver."""
