"""A candidate held against the version that serves, before its release."""
