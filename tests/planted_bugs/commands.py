"""The simulation as a check: the first seeds of those that the run before a merge plays."""

SIMULATION = "python -m tests.simulation --seeds 1..2 --days 1 --jobs 1 --no-shrink"
