"""
What a run remembers besides its ledger, as JSON, and back: a later file of the tape begins with it.

Walked by its shape, so that a new field of the memory is kept without anybody thinking of it. What an object was only
given to work with (ports, settings, functions, a log) is not its memory and is left as the wiring made it.
"""

import dataclasses
import importlib
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from typing import Any

from core.indicators import ProductWindow
from runner.desk import Desk, Memory
from runner.executor import Executor
from runner.fill_booking import FillBooking
from runner.market_watch import MarketWatch
from runner.metrics import Counter, Metrics
from runner.orders.coverage import CoverClock
from runner.orders.protector import Protector
from runner.reconcile import Reconciler
from runner.shadow_executor import ShadowExecutor
from runner.tape.text import micros_of, moment_of

KIND, VALUE, CLASS = "$", "v", "c"
_MICROSECOND = timedelta(microseconds=1)
_OWNERS = (
    *(Memory, MarketWatch, Metrics, Counter, Reconciler, FillBooking, Executor, ShadowExecutor, Protector, CoverClock),
    ProductWindow,
)
"""Objects with a memory of their own: their fields are walked, one by one."""

_NUMBERS = (int, float)
_PLAIN = (type(None), bool, int, float, str)


def image_of(desk: Desk) -> dict[str, Any]:
    """
    Return the memory of a desk.

    Raises:
        TypeError: There is a value that has no form here: a defect.
    """
    return {name: dict(_fields_image(owner)) for name, owner in _owners(desk)}


def restore(desk: Desk, image: Mapping[str, Any]) -> None:
    """
    Put a memory back into a desk that was just built.

    Raises:
        ValueError: It is not a memory that this program knows.
    """
    for name, owner in _owners(desk):
        if name not in image:
            raise ValueError(f"the memory has no part {name!r}")
        _put_back(owner, image[name])


def _owners(desk: Desk) -> Iterator[tuple[str, object]]:
    yield "memory", desk.memory
    yield "watch", desk.watch
    yield "metrics", desk.metrics
    yield "reconciler", desk.reconciler
    yield "orders", desk.orders
    yield "notifier", desk.notifier


def _names(owner: object) -> list[str]:
    slots = getattr(type(owner), "__slots__", None)
    return sorted(slots) if slots is not None else sorted(vars(owner))


def _fields_image(owner: object) -> Iterator[tuple[str, Any]]:
    for name in _names(owner):
        value = getattr(owner, name)
        if isinstance(value, _OWNERS):
            yield name, {KIND: "owner", VALUE: dict(_fields_image(value))}
        elif _is_memory(value):
            yield name, _image(value)


def _is_memory(value: object) -> bool:
    """Tell data from what an object was given to work with; a set, whose order is none, is a defect."""
    if isinstance(value, set):
        raise TypeError("the memory holds a set, which has no form on the tape")
    if isinstance(value, (*_PLAIN, Decimal, datetime, timedelta, Enum)):
        return True
    if isinstance(value, dict | list | tuple | deque | array | frozenset | MappingProxyType):
        return True
    return dataclasses.is_dataclass(value) and not type(value).__module__.startswith("core.settings")


# --- values -----------------------------------------------------------------------------------------------------------


def _image(value: Any) -> Any:
    if isinstance(value, Enum):
        return {KIND: "enum", CLASS: _class_name(value), VALUE: value.name}
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, list):
        return [_image(item) for item in value]
    for kind, write in _WRITERS.items():
        if isinstance(value, kind):
            return write(value)
    if dataclasses.is_dataclass(value) or isinstance(value, ProductWindow):
        fields = {name: _image(getattr(value, name)) for name in _names(value)}
        return {KIND: "object", CLASS: _class_name(value), VALUE: fields}
    raise TypeError(f"the memory holds a {type(value).__name__}, which has no form on the tape")


def _pairs(value: Mapping[Any, Any]) -> list[list[Any]]:
    return [[_image(key), _image(item)] for key, item in value.items()]


def _items(values: deque[Any]) -> list[Any]:
    """Return what a deque holds; the numbers of a window need no looking at."""
    if not values or type(values[0]) in _NUMBERS:
        return list(values)
    return [_image(value) for value in values]


def _tuple_image(value: tuple[Any, ...]) -> dict[str, Any]:
    image: dict[str, Any] = {KIND: "tuple", VALUE: [_image(item) for item in value]}
    return image if type(value) is tuple else {**image, CLASS: _class_name(value)}


_WRITERS: Mapping[type, Callable[[Any], Any]] = {
    Decimal: lambda value: {KIND: "decimal", VALUE: str(value)},
    datetime: lambda value: {KIND: "time", VALUE: micros_of(value)},
    timedelta: lambda value: {KIND: "span", VALUE: value // _MICROSECOND},
    dict: lambda value: {KIND: "dict", VALUE: _pairs(value)},
    MappingProxyType: lambda value: {KIND: "frozen", VALUE: _pairs(value)},
    tuple: _tuple_image,
    deque: lambda value: {KIND: "deque", VALUE: _items(value), "n": value.maxlen},
    frozenset: lambda value: {KIND: "set", VALUE: [_image(item) for item in sorted(value, key=repr)]},
    array: lambda value: {KIND: "array", CLASS: value.typecode, VALUE: " ".join(map(repr, value))},
}


def _value(image: Any) -> Any:
    if isinstance(image, list):
        return [_value(item) for item in image]
    if not isinstance(image, dict):
        return image
    kind, value = image[KIND], image[VALUE]
    if kind == "enum":
        return _class_of(image[CLASS])[value]
    if kind == "object":
        return _object(_class_of(image[CLASS]), value)
    if kind == "tuple" and CLASS in image:
        return _class_of(image[CLASS])(*_value(value))
    if kind == "array":
        number = float if image[CLASS] in "fd" else int
        return array(image[CLASS], map(number, value.split(" ")) if value else ())
    if kind == "deque":
        return deque(_value(value), image["n"])
    return _READERS[kind](value)


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "decimal": Decimal,
    "time": moment_of,
    "span": lambda value: timedelta(microseconds=value),
    "dict": lambda value: {_value(key): _value(item) for key, item in value},
    "frozen": lambda value: MappingProxyType({_value(key): _value(item) for key, item in value}),
    "tuple": lambda value: tuple(_value(value)),
    "set": lambda value: frozenset(_value(value)),
}


def _object(cls: Any, fields: Mapping[str, Any]) -> Any:
    values = {name: _value(item) for name, item in fields.items()}
    if cls is not ProductWindow:
        return cls(**values)
    window = object.__new__(cls)
    for name, value in values.items():
        setattr(window, name, value)
    return window


def _put_back(owner: object, fields: Mapping[str, Any]) -> None:
    for name, image in fields.items():
        if isinstance(image, dict) and image.get(KIND) == "owner":
            _put_back(getattr(owner, name), image[VALUE])
        else:
            setattr(owner, name, _value(image))


def _class_name(value: object) -> str:
    return f"{type(value).__module__}:{type(value).__qualname__}"


def _class_of(name: str) -> Any:
    """Return a class of this program by its name; nothing else can be named on a tape."""
    module, _, qualified = name.partition(":")
    if not module.startswith(("core.", "runner.")):
        raise ValueError(f"a tape names {name!r}, which is no class of this program")
    found: Any = importlib.import_module(module)
    for part in qualified.split("."):
        found = getattr(found, part)
    if not isinstance(found, type):
        raise ValueError(f"a tape names {name!r}, which is no class of this program")
    return found
