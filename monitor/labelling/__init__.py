"""Images on their way to people, and their labels on the way back."""
