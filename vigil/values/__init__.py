"""Values that every stage handles: arrays of callers, boxes, texts, ids, files."""
