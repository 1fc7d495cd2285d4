"""
Build settings from the parsed configuration files, and hash them.

Configuration files speak the field's language: percent points (`_pct`) and basis points (`_bps`). Here, and only
here, both become fractions: a field `x_fraction` is fed by the key `x_pct` or `x_bps`. Every other field is fed by the
key of its own name.
"""

import dataclasses
import hashlib
import json
import types
import typing
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import TypeVar

from core.errors import ConfigError
from core.model.money import plain
from core.settings import (
    AppSettings,
    PolicySettings,
    Settings,
    SignalSettings,
    TierFractions,
    UniverseSettings,
)

T = TypeVar("T")

Document = Mapping[str, object]
"""One parsed YAML file: str keys, and values of str, bool, int, Decimal, list and dict."""

CONFIG_FILES = ("app", "policy", "signals", "universe")
HASHED_FILES = ("policy", "signals", "universe")


def build_settings(documents: Mapping[str, Document]) -> Settings:
    """
    Build settings from the four parsed files, keyed by their names without `.yaml`.

    Raises:
        ConfigError: A key is missing, unknown or of the wrong type; the message names file and key.
    """
    return Settings(
        app=_build(AppSettings, documents["app"], "app.yaml"),
        policy=_build(PolicySettings, documents["policy"], "policy.yaml"),
        signals=_build(SignalSettings, documents["signals"], "signals.yaml"),
        universe=_build(UniverseSettings, documents["universe"], "universe.yaml"),
        config_hash=hash_documents({name: documents[name] for name in HASHED_FILES}),
        app_hash=hash_documents({"app": documents["app"]}),
    )


def hash_documents(documents: Mapping[str, Document]) -> str:
    """
    Return the first 16 hex digits of SHA-256 over the canonical JSON of the documents.

    Numbers are written plainly, so 25, 25.0 and 25.00 hash alike; comments and key order do not count.
    """
    text = json.dumps(_canonical(documents), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _canonical(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return f"text:{value}"  # so that no text can look like a number's form below
    if isinstance(value, int | Decimal):
        return {"number": plain(Decimal(value))}
    raise ConfigError(f"a value of type {type(value).__name__} cannot be part of the configuration")


def _build(cls: type[T], document: object, where: str) -> T:
    if not isinstance(document, Mapping):
        raise ConfigError(f"{where}: expected a section with keys, found {document!r}")
    unread = set(document)
    values: dict[str, object] = {}
    for name, kind in typing.get_type_hints(cls).items():
        key = _key_of(name, document)
        if key is None:
            raise ConfigError(f"{where}: {_spoken_key(name)} is missing; set it, there is no default")
        unread.discard(key)
        scale = _SCALES.get(key.rsplit("_", 1)[-1]) if name.endswith("_fraction") else None
        values[name] = _convert(kind, document[key], f"{where}: {key}", scale)
    if unread:
        raise ConfigError(f"{where}: unknown key {min(unread)!r}; remove it or correct its spelling")
    return cls(**values)


_SCALES = {"pct": Decimal(100), "bps": Decimal(10000)}


def _key_of(name: str, document: Mapping[str, object]) -> str | None:
    if not name.endswith("_fraction"):
        return name if name in document else None
    stem = name.removesuffix("_fraction")
    return next((key for key in (f"{stem}_pct", f"{stem}_bps") if key in document), None)


def _spoken_key(name: str) -> str:
    stem = name.removesuffix("_fraction")
    return f"{stem}_pct (or {stem}_bps)" if stem != name else name


def _convert(kind: object, value: object, where: str, scale: Decimal | None) -> object:
    """Turn one parsed value into the field's type, or say what is wrong with it."""
    origin = typing.get_origin(kind)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        if kind is TierFractions and scale is not None and isinstance(value, Mapping):
            value = {tier: _number(item, f"{where}.{tier}") / scale for tier, item in value.items()}
        return _build(kind, value, where)
    if origin is Mapping:
        return _convert_mapping(kind, value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise ConfigError(f"{where}: expected a list, found {value!r}")
        item_kind = typing.get_args(kind)[0]
        return tuple(_convert(item_kind, item, f"{where}[{i}]", None) for i, item in enumerate(value))
    return _convert_scalar(kind, value, where, scale)


def _convert_mapping(kind: object, value: object, where: str) -> Mapping[object, object]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where}: expected a section with keys, found {value!r}")
    key_kind, item_kind = typing.get_args(kind)
    return types.MappingProxyType(
        {
            _convert_scalar(key_kind, key, where, None): _convert(item_kind, item, f"{where}.{key}", None)
            for key, item in value.items()
        }
    )


def _convert_scalar(kind: object, value: object, where: str, scale: Decimal | None) -> object:
    if kind is bool:
        if isinstance(value, bool):
            return value
        raise ConfigError(f"{where}: expected true or false, found {value!r}")
    if kind is str:
        if isinstance(value, str):
            return value
        raise ConfigError(f"{where}: expected text, found {value!r}")
    if kind is int:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        raise ConfigError(f"{where}: expected a whole number, found {value!r}")
    if kind in (Decimal, float):
        number = _number(value, where) / (scale or 1)
        return float(number) if kind is float else number
    if isinstance(kind, type) and issubclass(kind, Enum):
        try:
            return kind(value)
        except ValueError as error:
            allowed = ", ".join(str(member.value) for member in kind)
            raise ConfigError(f"{where}: {value!r} is not one of {allowed}") from error
    raise TypeError(f"no conversion for {kind!r}")


def _number(value: object, where: str) -> Decimal:
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return Decimal(value)
    raise ConfigError(f"{where}: expected a number, found {value!r}")
