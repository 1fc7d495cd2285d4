"""
Whole days of LIVE against the simulated Coinbase, each drawn from one seed: faults, crashes, operators, clocks, disks.

`python -m tests.simulation --seeds 1..100` plays a hundred days; what fails is shrunk to a small schedule and kept.
"""
