"""One statistic a file: what was seen in each slice against what the baseline's cells make
expected."""
