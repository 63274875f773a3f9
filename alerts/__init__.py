"""From a verdict that fires to the people and the machines that do something about it."""
