"""What is measured of each inference; each module turns a batch into columns of signals."""
