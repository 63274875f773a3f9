"""What nobody is told of for a while: silences, maintenance windows, release freezes."""
