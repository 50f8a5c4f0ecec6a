"""Readings as JSON and back. PURE: dicts, lists, texts, numbers; what is None or empty is left out."""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from integrations.snmp.reading import Reading


def reading_to_json(reading: Reading) -> dict[str, Any]:
    """What `reading_from_json` restores; orjson and PostgreSQL's jsonb take it as it is."""
    found: dict[str, Any] = _plain(reading)
    return found


def reading_from_json(data: dict[str, Any]) -> Reading:
    """The reading that was stored. Fields that are not known any more are ignored, missing ones have their
    default. Raises `ValueError` where the data cannot be one of ours.
    """
    try:
        found = _restorer(Reading)(data)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"This is no stored reading: {error}") from None
    return found  # type: ignore[no-any-return]


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        said = ((field, getattr(value, field.name)) for field in fields(value))
        return {field.name: _plain(one) for field, one in said if not _is_default(field, one)}
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value.hex() if isinstance(value, bytes) else value


def _is_default(field: Field[Any], value: Any) -> bool:
    if field.default is not MISSING:
        return bool(value is field.default or (value == field.default and type(value) is type(field.default)))
    return field.default_factory is not MISSING and value in ([], {})


@lru_cache(maxsize=200)
def _restorer(kind: Any) -> Callable[[Any], Any]:
    """The function that makes a value of the type from its JSON."""
    if is_dataclass(kind):
        return _dataclass_restorer(kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        made = [_restorer(one) for one in inner if one is not type(None)]
        return lambda value: None if value is None else made[0](value)
    if origin is list:
        each = _restorer(inner[0])
        return lambda value: [each(one) for one in value]
    if origin is tuple:
        return lambda value: tuple(value)
    if origin is dict:
        return dict
    return _same


def _same(value: Any) -> Any:
    return value


def _dataclass_restorer(kind: Any) -> Callable[[Any], Any]:
    hints = get_type_hints(kind)
    makers = {field.name: _restorer(hints[field.name]) for field in fields(kind)}

    def restored(data: Any) -> Any:
        return kind(**{name: makers[name](value) for name, value in data.items() if name in makers})

    return restored
