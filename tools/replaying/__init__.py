"""Cycles decided again from tape, journal and audit: identically, or under other settings and other code."""
