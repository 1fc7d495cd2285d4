"""
Proof that the proof can fail: bugs that are planted one by one, and that the run before a merge must catch.

`python -m tests.planted_bugs [NAME...] [--results FILE]`. The lists are data; `test_the_list.py` keeps
them from rotting.
"""
