"""Detectors, one file each: two samples in, a comparison out."""
