"""Frozen values as bytes and back: one codec for all that the shared store keeps, made from the types' annotations."""

from __future__ import annotations

import dataclasses
import enum
import functools
import json
import types
import typing
from collections.abc import Callable
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import orjson

from understudy.mockserver.durations import Spread, parse_spread

T = TypeVar("T")
Convert = Callable[[Any], Any]


def dump(value: object) -> bytes:
    """A value of a class with annotations as JSON: its fields in their order, bytes as Latin-1."""
    kind: Any = type(value)
    plain = _codec(kind)[0](value)
    try:
        return orjson.dumps(plain)
    except TypeError:  # half a surrogate pair, which some clients send: only the slower library writes it
        return json.dumps(plain).encode()


def load(kind: type[T], data: bytes | str) -> T:
    """The value of that class that `dump` made the bytes from."""
    try:
        plain = orjson.loads(data)
    except orjson.JSONDecodeError:
        plain = json.loads(data)
    named: Any = kind
    value: T = _codec(named)[1](plain)
    return value


def _same(value: Any) -> Any:
    return value


@functools.cache
def _codec(kind: Any) -> tuple[Convert, Convert]:
    """How a type's values become plain JSON, and how they come back."""
    if kind in (int, str, float, bool, type(None), Any) or get_origin(kind) is Literal:
        return _same, _same
    if kind is bytes:
        return (lambda value: bytes(value).decode("latin-1")), (lambda plain: plain.encode("latin-1"))
    if kind is Spread:
        return str, parse_spread
    if get_origin(kind) in (Union, types.UnionType):
        return _optional(kind)
    if get_origin(kind) in (tuple, frozenset):
        return _several(kind)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return (lambda value: value.value), kind
    if dataclasses.is_dataclass(kind):
        return _record(kind, [entry.name for entry in dataclasses.fields(kind) if entry.init])
    assert hasattr(kind, "_fields"), f"The codec knows no {kind}: teach it how that is written."
    return _record(kind, kind._fields)


def _optional(kind: Any) -> tuple[Convert, Convert]:
    members = [member for member in get_args(kind) if member not in (type(None), bytearray)]
    assert len(members) == 1, f"Of {kind} nobody could tell which it was: only what may be None is taken."
    write, read = _codec(members[0])
    if write is _same:
        return _same, _same
    return (
        lambda value: None if value is None else write(value),
        lambda plain: None if plain is None else read(plain),
    )


def _several(kind: Any) -> tuple[Convert, Convert]:
    collection = typing.cast("type[Any]", get_origin(kind))
    arguments = get_args(kind)
    if collection is tuple and arguments[-1] is not Ellipsis:
        members = [_codec(argument) for argument in arguments]
        return (
            lambda value: [member[0](item) for member, item in zip(members, value, strict=True)],
            lambda plain: tuple(member[1](item) for member, item in zip(members, plain, strict=True)),
        )
    write, read = _codec(arguments[0])
    order = sorted if collection is frozenset else list
    return (lambda value: order(map(write, value))), (lambda plain: collection(map(read, plain)))


def _record(kind: Any, names: Any) -> tuple[Convert, Convert]:
    hints = get_type_hints(kind)
    writers = [(name, _codec(hints[name])[0]) for name in names]
    readers = [_codec(hints[name])[1] for name in names]
    return (
        lambda value: [write(getattr(value, name)) for name, write in writers],
        lambda plain: kind(*[read(item) for read, item in zip(readers, plain, strict=True)]),
    )
