"""
The determinism gate: the same seed in two processes that share nothing but the program gives the same bytes (L12).

`python -m tests.determinism --seeds A..B`. What differs between the two: `places.py`. What is compared: `roots.py`.
"""
