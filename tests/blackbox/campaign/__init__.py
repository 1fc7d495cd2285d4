"""Kills, pauses, cuts, full disks, lost folders: what happens to real processes, at random moments."""
