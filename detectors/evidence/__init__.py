"""Any stream of scores turned into evidence, with one budget of false pages for all streams."""
