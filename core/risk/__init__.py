"""Stage 4: what we may do, and why not; asked for proposals, and once more for each finished order."""
