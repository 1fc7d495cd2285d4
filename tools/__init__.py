"""Commands for people and for CI. None of them can trade."""
