"""From labels to a model that was trained on them, and to whether that helped."""
