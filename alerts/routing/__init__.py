"""Who hears of an incident, and who next if nobody answers."""
