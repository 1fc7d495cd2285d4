"""Tokens by another clock than the machine's, which the official SDK asks and a run in virtual time must not know."""

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from types import SimpleNamespace
from unittest.mock import patch


@contextmanager
def tokens_stamped_by(now: Callable[[], datetime]) -> Iterator[None]:
    generator = importlib.import_module("coinbase.jwt_generator")
    with patch.object(generator, "time", SimpleNamespace(time=lambda: now().timestamp())):
        yield
