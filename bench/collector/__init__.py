"""What the collector costs, side by side with the copies that nobody can do without and with its
peers."""
