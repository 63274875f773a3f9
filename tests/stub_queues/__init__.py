"""Strict stubs of labelling services: they refuse what the real ones refuse."""
