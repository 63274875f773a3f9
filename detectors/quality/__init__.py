"""How good a model and its labels are, from labelled records; intervals respect the sampling."""
