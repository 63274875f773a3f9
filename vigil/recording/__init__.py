"""In the caller's thread: what a tap does before it returns."""
