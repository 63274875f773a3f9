"""What runs by the clock: the tick, deliveries, actions, retention; one leader among services."""
