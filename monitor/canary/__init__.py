"""A new version beside the one that serves: is it worse? And what deployers are told of it."""
