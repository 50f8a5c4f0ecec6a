"""Answers that are rightly framed and signed but whose PDU lies. PURE.

A lie gets the tree and the question, and gives the response PDU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

from integrations.snmp.agent.ber import (
    END_OF_MIB_VIEW,
    SEQUENCE,
    Oid,
    Type,
    decode_oid,
    encode,
    integer,
    oid_content,
    tlv,
)
from integrations.snmp.agent.message import Pdu, PduType, Status, bind, encode_pdu
from integrations.snmp.agent.tree import Tree

DEPTH = 5_000
MONSTROUS_OCTETS = 4_000
FULL = 64_000

Lie = Callable[[Tree, Pdu], bytes]


def response(pdu: Pdu, binds: Iterable[bytes]) -> bytes:
    """A faultless response with these bindings."""
    return encode_pdu(PduType.RESPONSE, pdu.request_id, b"".join(binds))


def _wanted(pdu: Pdu) -> int:
    """How many bindings a question hopes for, within reason."""
    return min(max(pdu.second, 1), 50) if pdu.type == PduType.GETBULK else max(len(pdu.binds), 1)


def _asked(pdu: Pdu) -> Oid:
    return decode_oid(pdu.binds[0][0]) if pdu.binds else (1, 3)


def rows(names: Iterable[Oid]) -> Iterator[bytes]:
    """Bindings that all say INTEGER 1."""
    value = encode(Type.INTEGER, 1)
    return (bind(oid_content(name), value) for name in names)


def _endless(tree: Tree, pdu: Pdu) -> bytes:
    """Every name is above the last one and below the base, for ever."""
    asked = _asked(pdu)
    head, last = (asked[:-1], asked[-1]) if asked[-2:-1] == (7777,) else ((*asked[:40], 7777), 0)
    return response(pdu, rows((*head, last + step) for step in range(1, _wanted(pdu) + 1)))


def _looping(tree: Tree, pdu: Pdu) -> bytes:
    """Three names below the base over and over."""
    base = _asked(pdu)
    base = base[:-2] if base[-2:-1] == (8888,) else base
    last = _asked(pdu)[-1] if base != _asked(pdu) else 0
    return response(pdu, rows((*base, 8888, (last + step) % 3 + 1) for step in range(_wanted(pdu))))


def _backwards(tree: Tree, pdu: Pdu) -> bytes:
    """Names below the base that fall."""
    base = _asked(pdu)
    head, last = (base[:-1], base[-1]) if base[-2:-1] == (9999,) else ((*base, 9999), 1_000_000)
    return response(pdu, rows((*head, max(last - step, 1)) for step in range(1, _wanted(pdu) + 1)))


def _same_name(tree: Tree, pdu: Pdu) -> bytes:
    """The question's own name, again and again."""
    return response(pdu, rows([_asked(pdu)] * _wanted(pdu)))


def _other_names(tree: Tree, pdu: Pdu) -> bytes:
    """Names that nobody asked for, none below the base."""
    return response(pdu, rows((1, 3, 6, 1, 4, 1, 424242, step) for step in range(1, _wanted(pdu) + 1)))


def _too_many(tree: Tree, pdu: Pdu) -> bytes:
    """Ten times as many bindings as were asked for, all rising."""
    return response(pdu, rows((*_asked(pdu), step) for step in range(1, 10 * _wanted(pdu) + 1)))


def _no_binds(tree: Tree, pdu: Pdu) -> bytes:
    return response(pdu, [])


def _valued(value: bytes) -> Lie:
    """The right names with one and the same TLV as value, as many as a datagram holds."""
    fitting = max(FULL // (len(value) + 40), 1)

    def make(tree: Tree, pdu: Pdu) -> bytes:
        found = [oid_content(_next_name(tree, pdu, name)) for name in names(pdu)[:fitting]]
        return response(pdu, [bind(name, value) for name in found])

    return make


def names(pdu: Pdu) -> list[Oid]:
    """What is asked for."""
    return [decode_oid(name) for name, _, _ in pdu.binds]


def _next_name(tree: Tree, pdu: Pdu, name: Oid) -> Oid:
    if pdu.type == PduType.GET:
        return name
    return tree.name_behind(name, 1) if tree.after(name, 1) else (*name, 1)


@lru_cache(maxsize=1)
def _nested() -> bytes:
    value = encode(Type.INTEGER, 1)
    for _ in range(DEPTH):
        value = tlv(SEQUENCE, value)
    return value


def _deep(tree: Tree, pdu: Pdu) -> bytes:
    """A value that is a sequence in a sequence, thousands of times."""
    return _valued(_nested())(tree, pdu)


def _huge(tree: Tree, pdu: Pdu) -> bytes:
    """As near to 64 KB as UDP carries, rightly formed: one long string."""
    return _valued(encode(Type.OCTETS, b"x" * 65_000))(tree, pdu)


def _wrong_request_id(tree: Tree, pdu: Pdu) -> bytes:
    number = (pdu.request_id + 1) & 0x7FFFFFFF
    return encode_pdu(PduType.RESPONSE, number, pdu.raw)


def _wrong_pdu(tree: Tree, pdu: Pdu) -> bytes:
    """The question sent back as a question."""
    return encode_pdu(PduType.GET, pdu.request_id, pdu.raw)


def _bad_status(tree: Tree, pdu: Pdu) -> bytes:
    """An error status and an index that do not exist."""
    return encode_pdu(PduType.RESPONSE, pdu.request_id, pdu.raw, 77, 9_999)


def _gen_err(tree: Tree, pdu: Pdu) -> bytes:
    return encode_pdu(PduType.RESPONSE, pdu.request_id, pdu.raw, Status.GEN_ERR, 1)


def _too_big(tree: Tree, pdu: Pdu) -> bytes:
    """However little is asked for."""
    return encode_pdu(PduType.RESPONSE, pdu.request_id, b"", Status.TOO_BIG)


LIES: dict[str, Lie] = {
    "endless_walk": _endless,
    "looping_walk": _looping,
    "backward_walk": _backwards,
    "same_name": _same_name,
    "other_names": _other_names,
    "too_many_bindings": _too_many,
    "no_bindings": _no_binds,
    "wrong_request_id": _wrong_request_id,
    "wrong_pdu": _wrong_pdu,
    "bad_status": _bad_status,
    "always_gen_err": _gen_err,
    "always_too_big": _too_big,
    "endless_end_of_mib": _valued(END_OF_MIB_VIEW),
    "monstrous_integer": _valued(integer(1 << MONSTROUS_OCTETS * 8 - 2)),
    "negative_counter": _valued(integer(-5, Type.COUNTER32)),
    "empty_integer": _valued(tlv(Type.INTEGER, b"")),
    "short_address": _valued(tlv(Type.IP, b"\x7f")),
    "endless_subidentifier": _valued(tlv(Type.OID, b"\x2b" + b"\xff" * 600 + b"\x01")),
    "unknown_tag": _valued(tlv(0x5B, b"what")),
    "deep_nesting": _deep,
    "huge": _huge,
    "inner_length_lies": _valued(b"\x04\x7fA"),
}
