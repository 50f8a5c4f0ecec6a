"""What an agent answers to a PDU (RFC 3416; RFC 1157 and 3584 for v1), without sockets or security."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from itertools import accumulate

from integrations.snmp.agent.ber import (
    END_OF_MIB_VIEW,
    NO_SUCH_INSTANCE,
    NO_SUCH_OBJECT,
    Malformed,
    Oid,
    Type,
    Value,
    decode,
    decode_oid,
    oid_content,
    oid_text,
    parse_oid,
)
from integrations.snmp.agent.message import V1, Bind, Pdu, PduType, Status, bind, encode_pdu
from integrations.snmp.agent.tree import Tree, read_row

Refuses = Callable[[str, Value], Status | None]
"""Says why a value may not be written, or None."""

ROOM_FOR_HEADER = 24
"""Octets that a PDU needs around its variable bindings, at most."""

TO_V1 = {
    Status.WRONG_VALUE: Status.BAD_VALUE,
    Status.WRONG_ENCODING: Status.BAD_VALUE,
    Status.WRONG_TYPE: Status.BAD_VALUE,
    Status.WRONG_LENGTH: Status.BAD_VALUE,
    Status.INCONSISTENT_VALUE: Status.BAD_VALUE,
    Status.NO_ACCESS: Status.NO_SUCH_NAME,
    Status.NOT_WRITABLE: Status.NO_SUCH_NAME,
    Status.NO_CREATION: Status.NO_SUCH_NAME,
    Status.INCONSISTENT_NAME: Status.NO_SUCH_NAME,
    Status.AUTHORIZATION_ERROR: Status.NO_SUCH_NAME,
    Status.RESOURCE_UNAVAILABLE: Status.GEN_ERR,
    Status.COMMIT_FAILED: Status.GEN_ERR,
    Status.UNDO_FAILED: Status.GEN_ERR,
}
"""RFC 3584 section 4.4."""


class Failed(Exception):
    """An error status; `index` counts bindings from 1, 0 for none of them."""

    def __init__(self, status: Status, index: int = 0) -> None:
        super().__init__(status.name)
        self.status = status
        self.index = index


@dataclass(slots=True)
class Rules:
    """What an agent allows.

    `max_varbinds` bounds a GETBULK's answer in whole repetitions. `writable` are prefixes of names that SET
    may change ("" for all there are). `broken` are names that answer genErr.
    """

    max_varbinds: int = 100
    writable: Collection[str] = ("",)
    refuses: Refuses | None = None
    broken: set[str] = field(default_factory=set)


Written = list[tuple[str, Type, Value]]


def answer(
    pdu: Pdu, tree: Tree, rules: Rules, *, version: int, may_write: bool, room: int
) -> tuple[bytes, Written]:
    """The response PDU in at most `room` octets, and what a SET wrote into the tree (else nothing).

    Malformed for a PDU that no agent answers, such as a response.
    """
    written: Written = []
    try:
        if pdu.type == PduType.GETBULK and version != V1:
            binds = _bulk(pdu, tree, rules, room - ROOM_FOR_HEADER)
        elif pdu.type == PduType.SET:
            written = _checked(pdu, tree, rules, may_write)
            for name, kind, value in written:
                tree.set(name, kind, value)
            binds = pdu.raw
        else:
            binds = _read(pdu, tree, rules, version)
        if len(binds) > room - ROOM_FOR_HEADER:
            raise Failed(Status.TOO_BIG)
    except Failed as failed:
        return refusal(pdu, failed.status, failed.index, version), []
    return encode_pdu(PduType.RESPONSE, pdu.request_id, binds), written


def refusal(pdu: Pdu, status: Status, index: int, version: int) -> bytes:
    """An error's response: the question's bindings as they came, none in v2's tooBig."""
    if version == V1:
        status = TO_V1.get(status, status)
    binds = b"" if status is Status.TOO_BIG and version != V1 else pdu.raw
    return encode_pdu(PduType.RESPONSE, pdu.request_id, binds, status, index)


def _read(pdu: Pdu, tree: Tree, rules: Rules, version: int) -> bytes:
    if pdu.type == PduType.GET:
        one = _get_v1 if version == V1 else _get
    elif pdu.type == PduType.GETNEXT:
        one = _next_v1 if version == V1 else _next
    else:
        raise Malformed(f"{pdu.type:#x} is no question for an agent.")
    rows = []
    for index, (name, _, _) in enumerate(pdu.binds, 1):
        row = one(tree, name, index)
        if rules.broken:
            _unless_broken(row, rules, index)
        rows.append(row)
    return b"".join(rows)


def _unless_broken(row: bytes, rules: Rules, index: int) -> None:
    try:
        name = read_row(row)[0]
    except Malformed:  # an exception: there is no such object
        return
    if name in rules.broken:
        raise Failed(Status.GEN_ERR, index)


def _get(tree: Tree, name: bytes, index: int) -> bytes:
    at = tree.find(name)
    if at is not None:
        return tree.shown(at)
    oid = decode_oid(name)
    known = tree.knows_below(oid[:-1]) if len(oid) > 2 else False
    return bind(name, NO_SUCH_INSTANCE if known else NO_SUCH_OBJECT)


def _get_v1(tree: Tree, name: bytes, index: int) -> bytes:
    at = tree.find(name)
    if at is None or _is_counter64(row := tree.shown(at)):
        raise Failed(Status.NO_SUCH_NAME, index)
    return row


def _next(tree: Tree, name: bytes, index: int) -> bytes:
    rows = tree.after(decode_oid(name), 1)
    return rows[0] if rows else bind(name, END_OF_MIB_VIEW)


def _next_v1(tree: Tree, name: bytes, index: int) -> bytes:
    oid = decode_oid(name)
    while rows := tree.after(oid, 16):
        for row in rows:
            if not _is_counter64(row):
                return row
        oid = tree.name_behind(oid, len(rows))
    raise Failed(Status.NO_SUCH_NAME, index)


def _is_counter64(row: bytes) -> bool:
    return read_row(row)[1] is Type.COUNTER64


def _bulk(pdu: Pdu, tree: Tree, rules: Rules, room: int) -> bytes:
    heads = min(max(pdu.first, 0), len(pdu.binds))
    names = [decode_oid(name) for name, _, _ in pdu.binds]
    rows = [_next(tree, name, 0) for name, _, _ in pdu.binds[:heads]]
    if columns := names[heads:]:
        most = max((rules.max_varbinds - heads) // len(columns), 1)
        rows += _repeated(tree, columns, min(max(pdu.second, 0), most))
    if rules.broken:
        for index, row in enumerate(rows, 1):
            _unless_broken(row, rules, min(index, len(names)))
    return _fitting(rows, room)


def _repeated(tree: Tree, columns: list[Oid], repetitions: int) -> list[bytes]:
    found = [tree.after(column, repetitions) for column in columns]
    if len(found) == 1 and len(found[0]) == repetitions:
        return found[0]
    ends = [
        _end(tree, column, len(rows)) if len(rows) < repetitions else b""
        for column, rows in zip(columns, found, strict=True)
    ]
    out: list[bytes] = []
    for turn in range(min(repetitions, max(map(len, found)) + 1)):
        out += [rows[turn] if turn < len(rows) else end for rows, end in zip(found, ends, strict=True)]
    return out


def _end(tree: Tree, column: Oid, steps: int) -> bytes:
    return bind(oid_content(tree.name_behind(column, steps)), END_OF_MIB_VIEW)


def _fitting(rows: list[bytes], room: int) -> bytes:
    whole = b"".join(rows)
    if len(whole) <= room:
        return whole
    fitting = sum(total <= room for total in accumulate(map(len, rows)))
    if not fitting:
        raise Failed(Status.TOO_BIG)
    return b"".join(rows[:fitting])


def _checked(pdu: Pdu, tree: Tree, rules: Rules, may_write: bool) -> Written:
    """Every binding is looked at before the first is written (RFC 3416 section 4.2.5)."""
    return [_writable(found, tree, rules, may_write, index) for index, found in enumerate(pdu.binds, 1)]


def _writable(found: Bind, tree: Tree, rules: Rules, may_write: bool, index: int) -> tuple[str, Type, Value]:
    if not may_write:
        raise Failed(Status.NO_ACCESS, index)
    name, tag, content = found
    oid = decode_oid(name)
    at = tree.find(name)
    if at is None:
        raise Failed(Status.NO_CREATION, index)
    if not any(_is_below(oid, prefix) for prefix in rules.writable):
        raise Failed(Status.NOT_WRITABLE, index)
    text, kind, _ = read_row(tree.shown(at))
    if tag != kind:
        raise Failed(Status.WRONG_TYPE, index)
    try:
        value = decode(tag, content)[1]
    except Malformed:
        raise Failed(Status.WRONG_ENCODING, index) from None
    refused = rules.refuses(oid_text(oid), value) if rules.refuses else None
    if refused:
        raise Failed(refused, index)
    return text, kind, value


def _is_below(oid: Oid, prefix: str) -> bool:
    wanted = parse_oid(prefix) if prefix else ()
    return oid[: len(wanted)] == wanted
