"""The pages that a person follows when paged: short, and true for this system."""
