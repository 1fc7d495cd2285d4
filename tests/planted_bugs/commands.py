"""The crash sweep and the simulation as checks: small shares of what the run before a merge plays of them."""

SIMULATION = "python -m tests.simulation --seeds 1..6 --minutes 90 --jobs 1 --no-shrink"
SWEEP_START = "python -m tests.crash_sweep --what start --stride 10 --once --jobs 1"
SWEEP_CYCLE = "python -m tests.crash_sweep --what cycle --stride 25 --once --jobs 1"
