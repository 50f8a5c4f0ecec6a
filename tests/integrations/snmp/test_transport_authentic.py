"""Which SNMPv3 answers are believed: messages built by hand, after RFC 3412 and RFC 3414."""

from __future__ import annotations

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.snmp.authentic import DIGEST_OCTETS, Guard, message_id
from integrations.snmp.target import AuthProtocol

ENGINE = b"\x80\x00\x00\x00\x05engine"
KEY = b"a localised key"
RESPONSE, REPORT = 0xA2, 0xA8
PLAIN, SIGNED, ENCRYPTED = 0, 1, 3


def tlv(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    octets = length.to_bytes(2)
    return bytes((tag, 0x82)) + octets + content


def message(
    flags: int,
    pdu: int = RESPONSE,
    *,
    engine_id: bytes = ENGINE,
    protocol: AuthProtocol = AuthProtocol.SHA256,
    key: bytes = KEY,
) -> bytes:
    """A message with id 77, signed where `flags` say so; ciphertext is any octets."""
    digest = bytes(DIGEST_OCTETS[protocol]) if flags & SIGNED else b""
    scoped = tlv(0x30, tlv(4, engine_id) + tlv(4, b"") + tlv(pdu, tlv(2, b"\x05") + bytes(150)))
    payload = tlv(4, b"ciphertext" * 20) if flags & 2 else scoped
    header = tlv(0x30, tlv(2, b"\x4d") + tlv(2, b"\x7f\xff") + tlv(4, bytes((flags,))) + tlv(2, b"\x03"))
    known = tlv(4, engine_id) + tlv(2, b"\x01") + tlv(2, b"\x02") + tlv(4, b"user")
    whole = _whole(header, known, digest, payload)
    if not digest:
        return whole
    made = hmac.digest(key, whole, protocol.value)[: len(digest)]
    return _whole(header, known, made, payload)


def _whole(header: bytes, known: bytes, digest: bytes, payload: bytes) -> bytes:
    security = tlv(4, tlv(0x30, known + tlv(4, digest) + tlv(4, b"saltsalt")))
    return tlv(0x30, tlv(2, b"\x03") + header + security + payload)


def guard(level: int = ENCRYPTED, protocol: AuthProtocol = AuthProtocol.SHA256) -> Guard:
    return Guard(protocol, level, lambda engine_id: KEY if engine_id == ENGINE else b"another")


@pytest.mark.parametrize("protocol", AuthProtocol)
def test_a_rightly_signed_answer_is_believed(protocol: AuthProtocol) -> None:
    for level in (SIGNED, ENCRYPTED):
        assert guard(level, protocol).believes(message(level, protocol=protocol), ENGINE)


@pytest.mark.parametrize(
    "forged",
    [
        message(PLAIN),
        message(SIGNED),
        message(ENCRYPTED, key=b"not the key"),
        message(ENCRYPTED, engine_id=b"\x80\x00\x00\x00\x05other", key=b"another"),
        message(ENCRYPTED, protocol=AuthProtocol.SHA1),
        message(2),
    ],
    ids=["plain", "not encrypted", "another key", "another engine", "a shorter digest", "encrypted only"],
)
def test_a_lesser_or_foreign_answer_is_not(forged: bytes) -> None:
    assert not guard().believes(forged, ENGINE)


def test_reports_may_be_plain_since_they_hold_no_values() -> None:
    assert guard().believes(message(PLAIN, REPORT), ENGINE)
    assert guard().believes(message(SIGNED, REPORT), ENGINE)
    assert guard().believes(message(PLAIN, REPORT, engine_id=b"a new engine"), ENGINE)
    assert not guard().believes(message(SIGNED, REPORT, key=b"not the key"), ENGINE)


ANSWER = message(ENCRYPTED)


@given(st.integers(0, len(ANSWER) - 1), st.integers(1, 255))
def test_no_octet_of_an_answer_can_be_changed(at: int, turned: int) -> None:
    changed = ANSWER[:at] + bytes((ANSWER[at] ^ turned,)) + ANSWER[at + 1 :]
    assert not guard().believes(changed, ENGINE)


@given(st.integers(0, len(ANSWER) - 1))
def test_a_cut_answer_is_not_believed(length: int) -> None:
    assert not guard().believes(ANSWER[:length], ENGINE)


@given(st.binary(max_size=200))
def test_noise_is_not_believed_and_has_no_number(noise: bytes) -> None:
    assert not guard().believes(noise, ENGINE)
    number = message_id(noise)
    assert number is None or isinstance(number, int)


def test_an_answer_is_tied_to_its_question_by_its_number() -> None:
    assert message_id(ANSWER) == 77
    request = tlv(2, b"\xff\x85") + tlv(2, b"\x00") + tlv(2, b"\x00") + tlv(0x30, b"")
    for version in (b"\x00", b"\x01"):
        assert message_id(tlv(0x30, tlv(2, version) + tlv(4, b"public") + tlv(0xA2, request))) == -123
    for nothing in (b"", b"\x30\x00", ANSWER[:9], tlv(0x30, tlv(2, b"\x03"))):
        assert message_id(nothing) is None
