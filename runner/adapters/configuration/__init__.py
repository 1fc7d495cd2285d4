"""The configuration on disk: strict reading, shapes, drift."""
