"""From the arguments of a call to what a window keeps of it. Pure."""
