"""Plots as inline SVG, by hand: no script, no asset; colours come from the page's style sheet."""
