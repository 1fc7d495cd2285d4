"""The outside of the program: which market, account and clock a run uses, chosen once at the start."""
