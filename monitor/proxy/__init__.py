"""A tap in front of an inference server: bytes pass through, a copy of them is read beside."""
