"""What is shipped, stored and judged: windows, their sums and samples, and their rulers."""
