"""Reports for people to read, drawn by Evidently in a process of its own."""
