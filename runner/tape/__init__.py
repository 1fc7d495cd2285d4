"""The tape: what each cycle was told from outside, in order, so that it can be decided again (L12)."""
