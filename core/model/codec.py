"""
Values to JSON and back, strictly: what cannot be read back exactly is refused, with the place where it stands.

Amounts are plain decimal strings, times ISO 8601 in UTC with `Z`, enums their values, products `BTC-USD`, sets sorted
lists, other named tuples lists. A class's encoder and decoder are compiled once, from its type hints.
"""

import dataclasses
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from functools import cache
from typing import Any, TypeVar

from core.model.codec_leaves import LEAVES, BadValue, Decoder, Encoder, under
from core.model.records import EVENT_TYPES, Event

T = TypeVar("T")


def encode(value: object) -> Any:
    """
    Return a dataclass value as JSON-able dicts, lists, strings, numbers, booleans and None.

    Raises:
        ValueError: A field holds something else than its type says; the message says which.
    """
    cls: Any = type(value)
    try:
        return _codec_of(cls)[0](value)
    except BadValue as error:
        raise ValueError(f"{cls.__name__}{error.path}: {error.problem}") from None


def decode(cls: type[T], data: object) -> T:
    """
    Return the value of class `cls` that `encode` made `data` from.

    Raises:
        ValueError: A key is missing or unknown, or a value is not of its type; the message says where.
    """
    kind: Any = cls
    try:
        return typing.cast(T, _codec_of(kind)[1](data))
    except BadValue as error:
        raise ValueError(f"{cls.__name__}{error.path}: {error.problem}") from None


def encode_event(event: Event) -> dict[str, Any]:
    """
    Return an event as a journal record's body: its fields and `kind`.

    Raises:
        ValueError: As `encode`.
    """
    body: dict[str, Any] = encode(event)
    body["kind"] = event.kind
    return body


def decode_event(body: Mapping[str, Any]) -> Event:
    """
    Return the event that `encode_event` made this body from.

    Raises:
        ValueError: The kind is unknown, or as `decode`.
    """
    kind = body.get("kind")
    event_type = EVENT_TYPES.get(kind) if isinstance(kind, str) else None
    if event_type is None:
        raise ValueError(f"unknown kind of event: {kind!r}")
    return decode(event_type, {key: value for key, value in body.items() if key != "kind"})


@cache
def _codec_of(kind: Any) -> tuple[Encoder, Decoder]:
    """Compile the two functions of a type; a type without one is a mistake of ours (TypeError)."""
    if isinstance(kind, typing.NewType):
        return _codec_of(kind.__supertype__)
    if kind in LEAVES:
        return LEAVES[kind]
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union) and len(args) == 2 and types.NoneType in args:
        return _optional_codec(next(arg for arg in args if arg is not types.NoneType))
    if origin is tuple and len(args) == 2 and args[1] is Ellipsis:
        return _list_codec(args[0], tuple)
    if origin is frozenset:
        return _list_codec(args[0], frozenset)
    if origin is Mapping:
        return _mapping_codec(*args)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _enum_codec(kind)
    if isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return _named_tuple_codec(kind)
    if dataclasses.is_dataclass(kind):
        return _dataclass_codec(typing.cast(type, kind))
    raise TypeError(f"no JSON form for {kind!r}")


# --- containers -------------------------------------------------------------------------------------------------------


def _optional_codec(kind: Any) -> tuple[Encoder, Decoder]:
    encode_some, decode_some = _codec_of(kind)
    return (
        lambda value: None if value is None else encode_some(value),
        lambda data: None if data is None else decode_some(data),
    )


def _enum_codec(kind: type[Enum]) -> tuple[Encoder, Decoder]:
    members = {member.value: member for member in kind}
    value_type = type(next(iter(members)))

    def encode_member(value: Any) -> Any:
        if type(value) is not kind:
            raise BadValue(f"expected a {kind.__name__}, found {value!r}")
        return value.value

    def decode_member(data: Any) -> Enum:
        member = members.get(data) if type(data) is value_type else None
        if member is None:
            raise BadValue(f"not a {kind.__name__}: {data!r}")
        return member

    return encode_member, decode_member


def _list_codec(kind: Any, container: type) -> tuple[Encoder, Decoder]:
    """Lists of one kind of item: a tuple in its order, a frozenset sorted and without repetition."""
    encode_item, decode_item = _codec_of(kind)

    def encode_items(value: Any) -> list[Any]:
        if type(value) is not container:
            raise BadValue(f"expected a {container.__name__}, found {value!r}")
        items = _each(encode_item, typing.cast(Iterable[Any], value))
        return sorted(items) if container is frozenset else items

    def decode_items(data: Any) -> Any:
        if type(data) is not list:
            raise BadValue(f"expected a list, found {data!r}")
        value = container(_each(decode_item, data))
        if len(value) != len(data):
            raise BadValue("an item is in the list twice")
        return value

    return encode_items, decode_items


def _each(convert: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    done: list[Any] = []
    try:
        for item in items:
            done.append(convert(item))
    except ValueError as error:
        raise under(f"[{len(done)}]", error) from None
    return done


def _mapping_codec(key_kind: Any, item_kind: Any) -> tuple[Encoder, Decoder]:
    """A JSON object, in the mapping's own order: what is iterated after a restart comes in the same order as before."""
    encode_key, decode_key = _codec_of(key_kind)
    encode_item, decode_item = _codec_of(item_kind)

    def convert(pairs: Iterable[tuple[Any, Any]], key_of: Encoder, item_of: Encoder) -> dict[Any, Any]:
        result = {}
        for key, item in pairs:
            try:
                result[key_of(key)] = item_of(item)
            except ValueError as error:
                raise under(f"[{key}]", error) from None
        return result

    def encode_mapping(value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise BadValue(f"expected a mapping, found {value!r}")
        return convert(value.items(), encode_key, encode_item)

    def decode_mapping(data: Any) -> dict[Any, Any]:
        if type(data) is not dict:
            raise BadValue(f"expected an object, found {data!r}")
        return convert(data.items(), decode_key, decode_item)

    return encode_mapping, decode_mapping


def _named_tuple_codec(kind: Any) -> tuple[Encoder, Decoder]:
    hints = typing.get_type_hints(kind)
    codecs = [(name, *_codec_of(hints[name])) for name in kind._fields]

    def encode_tuple(value: Any) -> list[Any]:
        if type(value) is not kind:
            raise BadValue(f"expected a {kind.__name__}, found {value!r}")
        return [encode_item(item) for (_, encode_item, _), item in zip(codecs, value, strict=True)]

    def decode_tuple(data: Any) -> Any:
        if type(data) is not list or len(data) != len(codecs):
            raise BadValue(f"expected a list of {len(codecs)}, found {data!r}")
        return kind(*[decode_item(item) for (_, _, decode_item), item in zip(codecs, data, strict=True)])

    return encode_tuple, decode_tuple


def _dataclass_codec(kind: type) -> tuple[Encoder, Decoder]:
    hints = typing.get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    codecs = {name: _codec_of(hints[name]) for name in names}
    return _fields_encoder(kind, codecs), _fields_decoder(kind, codecs)


def _fields_encoder(kind: type, codecs: Mapping[str, tuple[Encoder, Decoder]]) -> Encoder:
    encoders = [(name, codec[0]) for name, codec in codecs.items()]

    def encode_fields(value: Any) -> dict[str, Any]:
        if type(value) is not kind:
            raise BadValue(f"expected a {kind.__name__}, found {value!r}")
        result = {}
        field = ""
        try:
            for name, encode_field in encoders:
                field = name
                result[name] = encode_field(getattr(value, name))
        except ValueError as error:
            raise under(f".{field}", error) from None
        return result

    return encode_fields


def _fields_decoder(kind: type, codecs: Mapping[str, tuple[Encoder, Decoder]]) -> Decoder:
    decoders = [(name, codec[1]) for name, codec in codecs.items()]

    def decode_fields(data: Any) -> Any:
        if type(data) is not dict:
            raise BadValue(f"expected an object, found {data!r}")
        if data.keys() != codecs.keys():
            raise BadValue(_key_problem(set(data), set(codecs)))
        values = {}
        field = ""
        try:
            for name, decode_field in decoders:
                field = name
                values[name] = decode_field(data[name])
        except ValueError as error:
            raise under(f".{field}", error) from None
        try:
            return kind(**values)
        except ValueError as error:
            raise BadValue(str(error)) from None

    return decode_fields


def _key_problem(found: set[str], expected: set[str]) -> str:
    missing, unknown = sorted(expected - found), sorted(found - expected)
    return f"key {missing[0]!r} is missing" if missing else f"unknown key {unknown[0]!r}"
