"""From verdicts to what is done: alerts, incidents, messages, actions. Every effect is a row first."""
