"""What vigil does about an incident, and what keeps it from doing harm."""
