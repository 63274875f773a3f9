"""What the actions are worth: a library of faults with known answers, and the labelling loop."""
