"""A model's report: what was measured of it, how good it was, what went wrong and was done."""
