"""The built-in console: read models in, HTML out."""
