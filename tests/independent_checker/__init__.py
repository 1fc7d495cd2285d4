"""
An independent check of a run's audit file: what a stranger can recompute from its lines, with nothing of the program.

Imports nothing of core, runner or tools (a test sees to it). From `execution.orders`, `execution.fills` and
`portfolio.cash_flows` it builds books of its own and holds every line against them, to the last digit.
`python -m tests.independent_checker AUDIT [--config-dir D]` prints figures and ends with 0, or 1 when something is
wrong.

What it cannot check, because the lines do not say it: the price collar, spread and depth (no quotes in a line), the
at-risk figure and the theme caps at market value (only at cost), and which of several orders rest at a line's end.
"""

from tests.independent_checker.check import Report, check

__all__ = ["Report", "check"]
