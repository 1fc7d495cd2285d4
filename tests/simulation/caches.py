"""What a start works out from files that do not change, remembered: a simulated day has dozens of starts."""

import importlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from unittest.mock import patch

_PURE = (
    ("runner.adapters.configuration.settings_files", "parse_strict"),
    ("runner.run_records", "code_hash"),
)
"""Functions of texts and of the checkout alone, by who calls them."""


@contextmanager
def cached() -> Iterator[None]:
    """Remember the results of what is asked again and again."""
    with ExitStack() as stack:
        for module_name, name in _PURE:
            module = importlib.import_module(module_name)
            stack.enter_context(patch.object(module, name, _remembered(module_name, name)))
        yield


@cache
def _remembered(module_name: str, name: str):  # type: ignore[no-untyped-def]  # whatever it is the cache of
    return cache(getattr(importlib.import_module(module_name), name))
