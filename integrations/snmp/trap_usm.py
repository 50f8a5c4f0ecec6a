"""The receiver's side of SNMPv3 for traps and informs (RFC 3414 section 3.2, RFC 3412 section 7.2).

Formats, keys and ciphers are pysnmp's; which keys are tried is decided by the source's address. pysnmp's own
engine is not used: it knows users by engine and name alone, so that two districts' "admin" would share one
password for informs, it takes an unauthenticated trap in the name of a user who has keys, and it lets such a
trap set its idea of a sender's clock.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from pyasn1.codec.ber import encoder  # type: ignore[import-untyped, unused-ignore]
from pyasn1.error import PyAsn1Error  # type: ignore[import-untyped, unused-ignore]
from pyasn1.type import univ  # type: ignore[import-untyped, unused-ignore]
from pysnmp.proto.api import v2c  # type: ignore[import-untyped, unused-ignore]
from pysnmp.proto.mpmod.rfc3412 import HeaderData  # type: ignore[import-untyped, unused-ignore]
from pysnmp.proto.rfc1905 import ReportPDU  # type: ignore[import-untyped, unused-ignore]
from pysnmp.proto.secmod.rfc3414.service import (  # type: ignore[import-untyped, unused-ignore]
    SnmpUSMSecurityModel,
    UsmSecurityParameters,
)

from integrations.snmp.target import AuthProtocol, Credential, PrivProtocol
from integrations.snmp.trap_gate import Reason, Source
from integrations.snmp.trap_messages import (
    INTEGER,
    OCTETS,
    SEQUENCE,
    Unfit,
    acknowledgement,
    decoded,
    expect,
    tlv,
)

AUTH, PRIV, REPORTABLE = 1, 2, 4
USM = 3
TIME_WINDOW = 150
MAX_BOOTS = 2**31 - 1
CLOCKS_KEPT = 20_000
CLOCK_KEPT_FOR = 3600.0

_AUTH_OIDS = {
    AuthProtocol.MD5: (1, 3, 6, 1, 6, 3, 10, 1, 1, 2),
    AuthProtocol.SHA1: (1, 3, 6, 1, 6, 3, 10, 1, 1, 3),
    AuthProtocol.SHA224: (1, 3, 6, 1, 6, 3, 10, 1, 1, 4),
    AuthProtocol.SHA256: (1, 3, 6, 1, 6, 3, 10, 1, 1, 5),
    AuthProtocol.SHA384: (1, 3, 6, 1, 6, 3, 10, 1, 1, 6),
    AuthProtocol.SHA512: (1, 3, 6, 1, 6, 3, 10, 1, 1, 7),
}
_PRIV_OIDS = {
    PrivProtocol.DES: (1, 3, 6, 1, 6, 3, 10, 1, 2, 2),
    PrivProtocol.AES128: (1, 3, 6, 1, 6, 3, 10, 1, 2, 4),
    PrivProtocol.AES192: (1, 3, 6, 1, 4, 1, 9, 12, 6, 1, 1),
    PrivProtocol.AES256: (1, 3, 6, 1, 4, 1, 9, 12, 6, 1, 2),
}


class Report(StrEnum):
    """What a report counts (usmStats)."""

    UNSUPPORTED_LEVELS = "1.3.6.1.6.3.15.1.1.1.0"
    NOT_IN_TIME = "1.3.6.1.6.3.15.1.1.2.0"
    UNKNOWN_USERS = "1.3.6.1.6.3.15.1.1.3.0"
    UNKNOWN_ENGINES = "1.3.6.1.6.3.15.1.1.4.0"
    WRONG_DIGESTS = "1.3.6.1.6.3.15.1.1.5.0"
    NOT_DECRYPTED = "1.3.6.1.6.3.15.1.1.6.0"


@dataclass(frozen=True, slots=True)
class Framed:
    """A v3 message whose scoped PDU is still closed: `payload` is its TLV, or the ciphertext's content."""

    message_id: int
    flags: int
    engine_id: bytes
    boots: int
    seconds: int
    user: bytes
    digest: bytes
    salt: bytes
    encrypted: bool
    payload: bytes

    @property
    def level(self) -> int:
        return self.flags & (AUTH | PRIV)


@dataclass(frozen=True, slots=True)
class Opened:
    """A message that is believed; the PDU lies in `scoped` from `at` to its end. `ours`: it was for our
    engine, as informs are.
    """

    framed: Framed
    scoped: bytes
    at: int
    ours: bool


@dataclass(frozen=True, slots=True)
class Clock:
    """A sender's engine as it was last believed; `at` is ours, in monotonic seconds."""

    boots: int
    seconds: int
    at: float


class Authority:
    """Opens the messages of sources, and is the authoritative engine for their informs.

    `engine_id` (5 to 32 octets) must stay the same over restarts, and `boots` must grow with each. By default
    it is the minutes since 1970, so that nothing needs to be stored; `clock` gives monotonic seconds.
    """

    def __init__(
        self, engine_id: bytes, boots: int | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if not 5 <= len(engine_id) <= 32:
            raise ValueError("An engine id has 5 to 32 octets.")
        self.engine_id = engine_id
        self.boots = int(time.time() // 60) if boots is None else boots
        self._clock = clock
        self._started = clock()
        self._reports: Counter[Report] = Counter()
        self._clocks: OrderedDict[tuple[int, bytes], Clock] = OrderedDict()

    def opened(self, data: bytes, at: int, end: int, source: Source) -> Opened:
        """A v3 message from behind its version. Unfit, maybe with a report to send, if it is not believed."""
        framed = _framed(data, at, end)
        credential, ours = source.credential, framed.engine_id == self.engine_id
        if not ours:
            self._foreign(framed, source)
        if not hmac.compare_digest(framed.user, credential.user.encode()):
            raise self._unfit(framed, Reason.UNKNOWN_USER, Report.UNKNOWN_USERS)
        own = level_of(credential)
        if framed.level & AUTH != own & AUTH or framed.level & ~own:
            raise self._unfit(framed, Reason.WRONG_LEVEL, Report.UNSUPPORTED_LEVELS)
        keys = keys_of(credential, framed.engine_id)
        if own:
            if not keys.is_signed(data, framed.digest):
                raise self._unfit(framed, Reason.WRONG_DIGEST, Report.WRONG_DIGESTS)
            self._in_time(framed, source, keys if ours else None)
        if framed.level != own:
            raise Unfit(Reason.WRONG_LEVEL)
        scoped = self._decrypted(framed, keys) if framed.encrypted else framed.payload
        try:
            pdu_at, pdu_end = _pdu_bounds(scoped)
        except Unfit:
            if not framed.encrypted:
                raise
            raise self._unfit(framed, Reason.NOT_DECRYPTED, Report.NOT_DECRYPTED) from None
        return Opened(framed, scoped[:pdu_end], pdu_at, ours)

    def acknowledged(self, opened: Opened, credential: Credential) -> bytes:
        """The Response to an inform, protected as the inform was."""
        scoped = acknowledgement(opened.scoped, opened.at)
        return self._wrapped(opened.framed, opened.framed.level, scoped, keys_of(credential, self.engine_id))

    def _foreign(self, framed: Framed, source: Source) -> None:
        """A trap of the sender's own engine passes; a question for an engine that is not ours is told of
        ours.
        """
        if framed.flags & REPORTABLE or not 5 <= len(framed.engine_id) <= 32:
            reason = Reason.UNKNOWN_ENGINE if framed.engine_id else Reason.DISCOVERY
            raise self._unfit(framed, reason, Report.UNKNOWN_ENGINES)
        if source.engine_id not in (None, framed.engine_id):
            raise Unfit(Reason.UNKNOWN_ENGINE)

    def _in_time(self, framed: Framed, source: Source, keys: Keys | None) -> None:
        """RFC 3414 section 3.2 step 7; `keys` are given where the engine is ours."""
        if keys is not None:
            off = abs(framed.seconds - self._seconds())
            if framed.boots != self.boots or off > TIME_WINDOW:
                raise self._unfit(framed, Reason.NOT_IN_TIME, Report.NOT_IN_TIME, keys)
            return
        now, key = self._clock(), (source.device_id, framed.engine_id)
        known = self._clocks.get(key)
        if known and now - known.at < CLOCK_KEPT_FOR:
            there = known.seconds + int(now - known.at)
            late = framed.boots == known.boots and framed.seconds < there - TIME_WINDOW
            if framed.boots < known.boots or late:
                raise Unfit(Reason.NOT_IN_TIME)
            if framed.boots == known.boots and framed.seconds <= known.seconds:
                return
        if framed.boots == MAX_BOOTS:
            raise Unfit(Reason.NOT_IN_TIME)
        self._clocks[key] = Clock(framed.boots, framed.seconds, now)
        self._clocks.move_to_end(key)
        if len(self._clocks) > CLOCKS_KEPT:
            self._clocks.popitem(last=False)

    def _decrypted(self, framed: Framed, keys: Keys) -> bytes:
        plain = keys.decrypted(framed)
        if plain is None:
            raise self._unfit(framed, Reason.NOT_DECRYPTED, Report.NOT_DECRYPTED)
        return plain

    def _unfit(self, framed: Framed, reason: Reason, report: Report, keys: Keys | None = None) -> Unfit:
        self._reports[report] += 1
        if not framed.flags & REPORTABLE:
            return Unfit(reason)
        pdu = ReportPDU()
        v2c.apiPDU.set_defaults(pdu)
        v2c.apiPDU.set_request_id(pdu, _request_id(framed))
        v2c.apiPDU.set_varbinds(pdu, [(report.value, v2c.Counter32(self._reports[report] & 0xFFFFFFFF))])
        scoped = _sequence(univ.OctetString(self.engine_id), univ.OctetString(b""), pdu)
        return Unfit(reason, self._wrapped(framed, AUTH if keys else 0, scoped, keys))

    def _seconds(self) -> int:
        return int(self._clock() - self._started)

    def _wrapped(self, asked: Framed, level: int, scoped: bytes, keys: Keys | None) -> bytes:
        seconds, salt, data = self._seconds(), b"", univ.Any(scoped)
        if keys and level & PRIV:
            ciphertext, salt = keys.encrypted(scoped, self.boots, seconds)
            data = univ.OctetString(ciphertext)
        header = HeaderData()
        header[0], header[1], header[2], header[3] = asked.message_id, 65507, bytes((level,)), USM
        blank = secrets.token_bytes(keys.digest_size) if keys and level & AUTH else b""
        security = UsmSecurityParameters()
        parts = (self.engine_id, self.boots, seconds, asked.user, blank, salt)
        for n, part in enumerate(parts):
            security[n] = part
        whole = _sequence(univ.Integer(3), header, univ.OctetString(encoder.encode(security)), data)
        return keys.signed(whole, blank) if keys and blank else whole


def level_of(credential: Credential) -> int:
    """0 noAuthNoPriv, 1 authNoPriv, 3 authPriv: the flags of a message at the credential's level."""
    if credential.auth is None:
        return 0
    return AUTH | PRIV if credential.priv else AUTH


class Keys:
    """A user's keys with one engine."""

    def __init__(self, credential: Credential, engine_id: bytes) -> None:
        self._auth_key = self._priv_key = univ.OctetString(b"")
        self.digest_size = 0
        if credential.auth is None:
            return
        oid, engine = _AUTH_OIDS[credential.auth], univ.OctetString(engine_id)
        auth = SnmpUSMSecurityModel.AUTH_SERVICES[oid]
        self._hash = credential.auth.value
        self.digest_size = int(auth.digest_length)
        self._auth_key = auth.localize_key(_master(credential.auth, credential.auth_password), engine)
        if credential.priv:
            self._cipher = SnmpUSMSecurityModel.PRIV_SERVICES[_PRIV_OIDS[credential.priv]]
            master = _master(credential.auth, credential.priv_password)
            self._priv_key = self._cipher.localize_key(oid, master, engine)

    def is_signed(self, whole: bytes, digest: bytes) -> bool:
        """Whether the digest in a message is right."""
        if len(digest) != self.digest_size:
            return False
        blank = whole.replace(digest, bytes(len(digest)), 1)
        return hmac.compare_digest(digest, self._digest(blank))

    def signed(self, whole: bytes, mark: bytes) -> bytes:
        """The message with its digest where `mark` stands."""
        return whole.replace(mark, self._digest(whole.replace(mark, bytes(len(mark)), 1)), 1)

    def _digest(self, whole: bytes) -> bytes:
        return hmac.digest(self._auth_key.asOctets(), whole, self._hash)[: self.digest_size]

    def encrypted(self, plain: bytes, boots: int, seconds: int) -> tuple[bytes, bytes]:
        """Ciphertext and salt."""
        data, salt = self._cipher.encrypt_data(self._priv_key, (boots, seconds, None), plain)
        return data.asOctets(), salt.asOctets()

    def decrypted(self, framed: Framed) -> bytes | None:
        """The plain text, or noise if the key is wrong; None where the lengths cannot be."""
        salt = univ.OctetString(framed.salt)
        try:
            plain: bytes = self._cipher.decrypt_data(
                self._priv_key, (framed.boots, framed.seconds, salt), univ.OctetString(framed.payload)
            )
        except PyAsn1Error:
            return None
        return plain


@lru_cache(maxsize=4096)
def keys_of(credential: Credential, engine_id: bytes) -> Keys:
    """Remembered: the first use of a password costs milliseconds."""
    return Keys(credential, engine_id)


@lru_cache(maxsize=1024)
def _master(protocol: AuthProtocol, password: str) -> Any:
    return SnmpUSMSecurityModel.AUTH_SERVICES[_AUTH_OIDS[protocol]].hash_passphrase(password.encode())


def _sequence(*parts: Any) -> bytes:
    made = univ.Sequence()
    for n, part in enumerate(parts):
        made.setComponentByPosition(n, part)
    encoded: bytes = encoder.encode(made)
    return encoded


def _framed(data: bytes, at: int, end: int) -> Framed:
    """RFC 3412 section 6, from behind the version. Unfit if it is none."""
    header_at, (_, at) = at, expect(data, at, end, SEQUENCE)
    header = decoded(data[header_at:at], HeaderData())
    start, at = expect(data, at, end, OCTETS)
    security = decoded(data[start:at], UsmSecurityParameters())
    tag, start, stop = tlv(data, at, end)
    flags, encrypted = header[2].asOctets()[0], tag == OCTETS
    if (
        stop != end
        or tag not in (SEQUENCE, OCTETS)
        or encrypted != bool(flags & PRIV)
        or flags & (AUTH | PRIV) == PRIV
        or int(header[3]) != USM
    ):
        raise Unfit(Reason.MALFORMED)
    return Framed(
        message_id=int(header[0]),
        flags=flags,
        engine_id=security[0].asOctets(),
        boots=int(security[1]),
        seconds=int(security[2]),
        user=security[3].asOctets(),
        digest=security[4].asOctets(),
        salt=security[5].asOctets(),
        encrypted=encrypted,
        payload=data[start if encrypted else at : stop],
    )


def _pdu_bounds(scoped: bytes) -> tuple[int, int]:
    """Where the PDU of a scoped PDU lies; a block cipher's padding may follow it."""
    at, end = expect(scoped, 0, len(scoped), SEQUENCE)
    _, at = expect(scoped, at, end, OCTETS)
    _, at = expect(scoped, at, end, OCTETS)
    if tlv(scoped, at, end)[2] != end:
        raise Unfit(Reason.MALFORMED)
    return at, end


def _request_id(framed: Framed) -> int:
    """RFC 3412 section 7.1 step 3 c: the question's where it can be read, else 0."""
    if framed.encrypted:
        return 0
    try:
        at, _ = _pdu_bounds(framed.payload)
        _, at, end = tlv(framed.payload, at, len(framed.payload))
        start, stop = expect(framed.payload, at, end, INTEGER)
    except Unfit:
        return 0
    number = int.from_bytes(framed.payload[start:stop], "big", signed=True)
    return number if -MAX_BOOTS <= number <= MAX_BOOTS else 0
