"""vigil's watch over itself: what it can't do any more pages as itself."""
