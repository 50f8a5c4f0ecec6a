"""A device's objects: names in order, values that can change or run while they are asked for."""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from integrations.snmp.agent.ber import (
    SEQUENCE,
    WIDTH,
    Oid,
    Type,
    Value,
    decode,
    decode_oid,
    encode,
    expect,
    header,
    oid_content,
    oid_text,
    parse_oid,
    tlv,
)

Live = Callable[[float], Value]
"""A value that runs: seconds since the device started, to the value now. Counters and ticks wrap."""

Seen = tuple[str, Type, Value]
"""Name, type and value of one object."""


class LiveRow:
    """An object whose value is computed when it is asked for."""

    __slots__ = ("kind", "name", "value")

    def __init__(self, name: bytes, kind: Type, value: Live) -> None:
        self.name = tlv(Type.OID, name)
        self.kind = kind
        self.value = value

    def render(self, seconds: float) -> bytes:
        value = self.value(seconds)
        if isinstance(value, int) and self.kind in WIDTH:
            bits = WIDTH[self.kind]
            top = (1 << bits) - 1
            value = min(max(value, 0), top) if self.kind is Type.GAUGE32 else value & top
        return tlv(SEQUENCE, self.name + encode(self.kind, value))


Row = bytes | LiveRow
SYS_UPTIME = "1.3.6.1.2.1.1.3.0"


def running(start: int = 0) -> Live:
    """TimeTicks: hundredths of a second since the device started, from `start`."""
    return lambda seconds: start + int(seconds * 100)


def growing(rate: float, start: int = 0) -> Live:
    """A counter that has `start` when the device starts and gains `rate` a second."""
    return lambda seconds: start + int(seconds * rate)


class Tree:
    """Objects in order of their names.

    A row is kept as the bytes of its variable binding, so an answer is a concatenation. Copies share their
    names until one of them gains or loses an object. `clock` gives seconds; live values see the seconds since
    `started`, a reading of that clock.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.started = clock()
        self._keys: list[Oid] = []
        self._rows: list[Row] = []
        self._positions: dict[bytes, int] | None = {}
        self._shared = False
        self._live = 0

    @classmethod
    def from_snmprec(cls, source: Path | str, clock: Callable[[], float] = time.monotonic) -> Tree:
        """A recording in snmpsim's format: a file, or its text. ValueError for variation modules."""
        data = source.read_bytes() if isinstance(source, Path) else source.encode("utf-8", "surrogateescape")
        tree = cls(clock)
        rows = dict(_recorded(line) for line in data.split(b"\n") if line.strip() and line[:1] != b"#")
        tree._keys = sorted(rows)
        tree._rows = [rows[key] for key in tree._keys]
        tree._positions = None
        return tree

    @classmethod
    def of(
        cls, objects: Iterable[tuple[str, Type, Value | Live]], clock: Callable[[], float] = time.monotonic
    ) -> Tree:
        """Names, types and values, in any order."""
        tree = cls(clock)
        tree.update(objects)
        return tree

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, oid: str) -> bool:
        return self._at(parse_oid(oid)) is not None

    def __iter__(self) -> Iterator[Seen]:
        seconds = self.uptime
        for row in list(self._rows):
            yield read_row(row if isinstance(row, bytes) else row.render(seconds))

    @property
    def uptime(self) -> float:
        """Seconds since the device started."""
        return self.clock() - self.started

    @uptime.setter
    def uptime(self, seconds: float) -> None:
        self.started = self.clock() - seconds

    def get(self, oid: str) -> tuple[Type, Value] | None:
        """Type and value, or None where there is no such object."""
        at = self._at(parse_oid(oid))
        return None if at is None else read_row(self.shown(at))[1:]

    def next(self, oid: str) -> Seen | None:
        """The first object behind `oid`, or None at the end."""
        found = self.bulk(oid, 1)
        return found[0] if found else None

    def bulk(self, oid: str, count: int) -> list[Seen]:
        """Up to `count` objects behind `oid`."""
        return [read_row(row) for row in self.after(parse_oid(oid), count)]

    def set(self, oid: str, kind: Type, value: Value | Live) -> None:
        """Change an object or add it; a callable makes it live. ValueError where the value does not fit."""
        self._put(parse_oid(oid), kind, value)

    def update(self, objects: Iterable[tuple[str, Type, Value | Live]]) -> None:
        """Several `set`s; the quick way to add many."""
        for oid, kind, value in sorted(objects, key=lambda item: parse_oid(item[0])):
            self._put(parse_oid(oid), kind, value)

    def remove(self, prefix: str) -> int:
        """Take away `prefix` itself and all below it; how many that were."""
        low = parse_oid(prefix)
        first = bisect_left(self._keys, low)
        last = bisect_left(self._keys, (*low[:-1], low[-1] + 1))
        if first < last:
            self._own()
            self._live -= sum(isinstance(row, LiveRow) for row in self._rows[first:last])
            del self._keys[first:last]
            del self._rows[first:last]
            self._positions = None
        return last - first

    def let_uptime_run(self, oid: str = SYS_UPTIME) -> None:
        """Make recorded TimeTicks run on from where they stand, and from 0 after a reboot.

        ValueError where there is no such object or it is no number.
        """
        found = self.get(oid)
        if found is None or not isinstance(found[1], int):
            raise ValueError(f"{oid} is no uptime.")
        self.uptime = found[1] / 100
        self.set(oid, Type.TICKS, running())

    def copy(self, clock: Callable[[], float] | None = None) -> Tree:
        """The same objects with changes of its own from now on; cheap. Live values go on as before."""
        made = Tree(clock or self.clock)
        made.started = made.clock() - self.uptime
        self._shared = made._shared = True
        made._keys, made._positions = self._keys, self._index()
        made._rows = self._rows.copy()
        made._live = self._live
        return made

    def snapshot(self) -> Tree:
        """A copy in which nothing runs any more."""
        made = self.copy()
        seconds = self.uptime
        made._rows = [row if isinstance(row, bytes) else row.render(seconds) for row in made._rows]
        made._live = 0
        return made

    def find(self, name: bytes) -> int | None:
        """Where the object with these content octets of its name stands."""
        return self._index().get(name)

    def shown(self, at: int) -> bytes:
        """The variable binding at a position, as it is now."""
        row = self._rows[at]
        return row if isinstance(row, bytes) else row.render(self.uptime)

    def after(self, oid: Oid, count: int) -> list[bytes]:
        """Up to `count` variable bindings behind `oid`."""
        at = bisect_right(self._keys, oid)
        return self._shown(self._rows[at : at + count])

    def name_behind(self, oid: Oid, steps: int) -> Oid:
        """The name of the object `steps` behind `oid`; `oid` itself for 0."""
        return self._keys[bisect_right(self._keys, oid) + steps - 1] if steps else oid

    def knows_below(self, oid: Oid) -> bool:
        """Whether there is an object at or below `oid`."""
        at = bisect_left(self._keys, oid)
        return at < len(self._keys) and self._keys[at][: len(oid)] == oid

    def _shown(self, rows: Sequence[Row]) -> list[bytes]:
        if not self._live:
            return rows  # type: ignore[return-value]
        seconds = self.uptime
        return [row if row.__class__ is bytes else row.render(seconds) for row in rows]  # type: ignore[union-attr]

    def _at(self, key: Oid) -> int | None:
        at = bisect_left(self._keys, key)
        return at if at < len(self._keys) and self._keys[at] == key else None

    def _put(self, key: Oid, kind: Type, value: Value | Live) -> None:
        name = oid_content(key)
        row: Row
        if callable(value):
            row = LiveRow(name, kind, value)
            row.render(self.uptime)
        else:
            row = tlv(SEQUENCE, tlv(Type.OID, name) + encode(kind, value))
        at = bisect_left(self._keys, key)
        if at < len(self._keys) and self._keys[at] == key:
            self._live -= isinstance(self._rows[at], LiveRow)
            self._rows[at] = row
        else:
            self._add(at, key, row)
        self._live += isinstance(row, LiveRow)

    def _add(self, at: int, key: Oid, row: Row) -> None:
        self._own()
        self._keys.insert(at, key)
        self._rows.insert(at, row)
        self._positions = None

    def _own(self) -> None:
        if self._shared:
            self._keys = self._keys.copy()
            self._shared = False

    def _index(self) -> dict[bytes, int]:
        if self._positions is None:
            self._positions = {oid_content(key): at for at, key in enumerate(self._keys)}
        return self._positions


def read_row(row: bytes) -> Seen:
    """Name, type and value of a variable binding that is no exception."""
    start, stop = expect(row, 0, len(row), SEQUENCE)
    name_at, name_end = expect(row, start, stop, Type.OID)
    tag, value_at, value_end = header(row, name_end, stop)
    return (oid_text(decode_oid(row[name_at:name_end])), *decode(tag, row[value_at:value_end]))


def _recorded(line: bytes) -> tuple[Oid, bytes]:
    name, tag, value = line.removesuffix(b"\r").split(b"|", 2)
    key = parse_oid(name.decode("ascii"))
    return key, tlv(SEQUENCE, tlv(Type.OID, oid_content(key)) + _recorded_value(tag.decode("ascii"), value))


def _recorded_value(tag: str, value: bytes) -> bytes:
    """snmpsim's tags are BER's in decimal; a trailing x says that the value is in hexadecimal."""
    kind = Type(int(tag.removesuffix("x")))
    if tag.endswith("x"):
        return tlv(kind, bytes.fromhex(value.decode("ascii")))
    if kind in WIDTH or kind is Type.INTEGER:
        return encode(kind, int(value))
    if kind is Type.NULL:
        return encode(kind, None)
    return encode(kind, value if kind in (Type.OCTETS, Type.OPAQUE) else value.decode("ascii"))
