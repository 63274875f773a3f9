"""The post-mortem of an incident: what happened, what it cost, what changed, what follows."""
