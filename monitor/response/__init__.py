"""From a diagnosis to what is done: incidents, messages, actions. Every effect is a row first."""
