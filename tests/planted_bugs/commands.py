"""The simulation as checks: two of the seeds that the run before a merge plays, the second where the first is blind."""

SIMULATION = tuple(f"python -m tests.simulation --seeds {seed} --days 1 --no-shrink" for seed in (1, 2))
