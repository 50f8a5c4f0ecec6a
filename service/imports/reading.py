"""An export as a stream of rows, whatever it is packed in; a line that cannot be read is a reject.

Nothing here holds more than one record, so the size of the file does not matter. A record is a line, or
several where a quoted value runs over lines; a stray quote costs its own line and no other.
"""

from __future__ import annotations

import csv
import gzip
import io
import lzma
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, cast

from service.imports.mapping import WIDEST, FileForm

LONGEST_LINE = 1_000_000
MOST_LINES = 2_000
MAGIC_GZIP, MAGIC_XZ = b"\x1f\x8b", b"\xfd7zXZ\x00"
BROKEN = (EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile)


class Unreadable(ValueError):
    """The file as a whole cannot be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Row:
    line: int
    fields: list[str]


@dataclass(frozen=True, slots=True)
class Reject:
    """A line that is left out, by its number in the file, with the reason and what it held."""

    line: int
    reason: str
    fields: Sequence[str]


class Export:
    """An export that is open for reading: its `header`, then its rows and rejects; `position` of `size`."""

    def __init__(self, path: Path, form: FileForm) -> None:
        self._form = form
        self._stack = ExitStack()
        try:
            self._raw = cast("BinaryIO", self._stack.enter_context(path.open("rb")))
            self.size = path.stat().st_size
            self._lines = _Lines(self._stack.enter_context(_unpacked(self._raw)))
            self.header = self._read_header()
        except OSError as wrong:
            self._stack.close()
            raise Unreadable(f"{path} cannot be read: {wrong.strerror or wrong}.") from None
        except BROKEN as wrong:
            self._stack.close()
            raise Unreadable(f"{path} cannot be unpacked: {wrong}.") from None
        except Unreadable:
            self._stack.close()
            raise
        self._quote = form.quote.encode(form.encoding)
        self._is_event: Callable[[list[str]], bool] | None = None
        self._delimiter = form.delimiter.encode(form.encoding)

    def __enter__(self) -> Export:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def position(self) -> int:
        """Bytes of the file, as it lies packed, that have been read."""
        return self._raw.tell()

    def rows(self, is_event: Callable[[list[str]], bool] | None = None) -> Iterator[Row | Reject]:
        """Every record. `is_event` says whether values can be one, which ends a quote that goes astray."""
        self._is_event = is_event
        width, delimiter, encoding = len(self.header), self._form.delimiter, self._form.encoding
        quote, lines = self._quote, self._lines
        try:
            for number, line in lines:
                if quote in line or b"\x00" in line or len(line) >= LONGEST_LINE:
                    found = self._careful(number, line)
                    if found is not None:
                        yield found
                    continue
                try:
                    text = line.decode(encoding)
                except UnicodeDecodeError:
                    yield Reject(number, f"is not {encoding}", [_shown(line)])
                    continue
                text = text.rstrip("\r\n")
                fields = text.split(delimiter)
                if len(fields) == width:
                    yield Row(number, fields)
                elif text.strip():
                    yield Reject(number, _wrong_width(len(fields), width), fields)
        except (*BROKEN, OSError) as wrong:
            yield Reject(lines.number + 1, f"the file breaks off here: {wrong}", [])

    def _careful(self, number: int, line: bytes) -> Row | Reject | None:
        """A line with quotes, NUL bytes or no end: on its own, or with the lines its value runs over."""
        if len(line) >= LONGEST_LINE:
            return Reject(number, f"is longer than {LONGEST_LINE} bytes", [_shown(line[:2_000])])
        if b"\x00" in line:
            return Reject(number, "holds a NUL byte", [_shown(line)])
        read = self._record(number, line)
        if read is not None:
            return read
        record = line
        taken: list[tuple[int, bytes]] = []
        for following in self._lines:
            taken.append(following)
            record += following[1]
            if self._stands_alone(following[1]) or len(record) > LONGEST_LINE or len(taken) > MOST_LINES:
                break
            read = self._record(number, record)
            if isinstance(read, Row):
                return read
        self._lines.give_back(taken)
        return Reject(number, "has a quote that does not end", [_shown(line)])

    def _stands_alone(self, line: bytes) -> bool:
        """Whether the line is a record by itself: then the value before it never ended."""
        if line.count(self._delimiter) < len(self.header) - 1:
            return False
        text = line.decode(self._form.encoding, errors="replace").rstrip("\r\n")
        try:
            fields = next(self._parser(text), [])
        except csv.Error:
            fields = text.split(self._form.delimiter)
        return len(fields) >= len(self.header) and (self._is_event is None or self._is_event(fields))

    def _record(self, number: int, record: bytes) -> Row | Reject | None:
        """The record that the bytes hold; None if a quoted value goes on after them."""
        width = len(self.header)
        try:
            text = record.decode(self._form.encoding)
        except UnicodeDecodeError:
            return Reject(number, f"is not {self._form.encoding}", [_shown(record)])
        try:
            fields = next(self._parser(text), [])
        except csv.Error as wrong:
            if "unexpected end of data" in str(wrong):
                return None
            return Reject(number, f"has a stray quote: {wrong}", [text.rstrip("\r\n")])
        if len(fields) != width:
            return Reject(number, _wrong_width(len(fields), width), fields) if text.strip() else None
        return Row(number, fields)

    def _parser(self, text: str) -> Iterator[list[str]]:
        source = io.StringIO(text, newline="")
        return csv.reader(
            source, delimiter=self._form.delimiter, quotechar=self._form.quote, doublequote=True, strict=True
        )

    def _read_header(self) -> list[str]:
        _, line = next(self._lines, (0, b""))
        try:
            text = line.decode(self._form.encoding).removeprefix("\ufeff")
            header = next(self._parser(text), [])
        except (UnicodeDecodeError, csv.Error):
            header = []
        if not header or len(header) > WIDEST or len(line) >= LONGEST_LINE:
            raise Unreadable("The first line is no list of columns. Is this the right file?")
        return [name.strip() for name in header]


class _Lines:
    """Numbered lines, each cut at the longest that is kept; some can be given back."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._again: deque[tuple[int, bytes]] = deque()
        self.number = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> tuple[int, bytes]:
        if self._again:
            return self._again.popleft()
        line = self._stream.readline(LONGEST_LINE)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) == LONGEST_LINE:
            rest = line
            while rest and not rest.endswith(b"\n"):
                rest = self._stream.readline(LONGEST_LINE)
        return self.number, line

    def give_back(self, lines: Sequence[tuple[int, bytes]]) -> None:
        self._again.extendleft(reversed(lines))


def _unpacked(raw: BinaryIO) -> BinaryIO:
    """The plain bytes of a plain, gzip or xz file, told apart by how it begins."""
    begin = raw.read(6)
    raw.seek(0)
    if begin.startswith(MAGIC_GZIP):
        return cast("BinaryIO", io.BufferedReader(cast("io.RawIOBase", gzip.GzipFile(fileobj=raw)), 1 << 18))
    if begin.startswith(MAGIC_XZ):
        return cast("BinaryIO", io.BufferedReader(cast("io.RawIOBase", lzma.LZMAFile(raw)), 1 << 18))
    return cast("BinaryIO", io.BufferedReader(cast("io.RawIOBase", raw), 1 << 18))


def _wrong_width(found: int, wanted: int) -> str:
    return f"has {found} {'value' if found == 1 else 'values'}; the header has {wanted} columns"


def _shown(line: bytes) -> str:
    return line[:20_000].decode("utf-8", errors="backslashreplace").rstrip("\r\n").replace("\x00", "\\x00")
