"""
The crash sweep: the whole program dies at every file call and every request, in every state that a disk may be left in.

`python -m tests.crash_sweep --help`. A small history that contains everything is played once; at each of its points a
forked child takes over what a process death or a power loss would have left, starts the program on it, lets it run
until it is quiet, and holds what it did against the exchange's books and against an independent reader of its records.
"""
