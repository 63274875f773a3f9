"""From core types to what a plot draws; pure."""
