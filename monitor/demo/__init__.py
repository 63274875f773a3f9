"""The main job end to end on real images: a fleet of meter-reading cameras with three faults."""
