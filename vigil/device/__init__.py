"""Measuring where the tensors are: signals, bins and sums on the GPU, without waiting for it.

Nothing here imports torch: it is there already where a caller hands in its tensors.
"""
