"""The fleet tick: windows and labels in, verdicts and evidence out, once per closed window."""
