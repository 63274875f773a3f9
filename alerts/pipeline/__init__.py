"""From an alert to the people who hear of it: one list of stages, each in a file of its own."""
