"""Decide. No clock, disk, network, environment, randomness or logging in here."""
