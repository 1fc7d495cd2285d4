"""Hash-chained record files: their effects, their format, and how they are read."""
