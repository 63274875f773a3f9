"""Where picked images wait for people: one protocol, and the systems that it reaches."""
