"""The agent's side of SNMPv3: who may ask, at which level, and the reports to those who may not.

RFC 3412 sections 7.1 and 7.2, RFC 3414 section 3.2. The authoritative engine is always ours.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum

from integrations.snmp.agent.answering import refusal
from integrations.snmp.agent.ber import Malformed, Type
from integrations.snmp.agent.endpoint import MAX_DATAGRAM
from integrations.snmp.agent.message import (
    AUTH,
    PRIV,
    REPORTABLE,
    V3,
    Framed,
    Pdu,
    PduType,
    Scoped,
    Security,
    Status,
    encode_pdu,
    encode_scoped,
    parse_scoped,
    varbind,
)
from integrations.snmp.agent.tree import Tree
from integrations.snmp.agent.usm import DecryptionFailed, Keys, User

USM = 3
TIME_WINDOW = 150
MAX_BOOTS = 2**31 - 1
ROOM_AROUND = 160
"""Octets around a scoped PDU beside the names in it: headers, digest, salt, padding, at most."""

Respond = Callable[[Pdu, Tree, User, int], bytes]
"""PDU, tree, who asks, and the room in octets, to the response PDU."""


class Report(StrEnum):
    """What a report counts."""

    UNSUPPORTED_SEC_LEVELS = "1.3.6.1.6.3.15.1.1.1.0"
    NOT_IN_TIME_WINDOWS = "1.3.6.1.6.3.15.1.1.2.0"
    UNKNOWN_USER_NAMES = "1.3.6.1.6.3.15.1.1.3.0"
    UNKNOWN_ENGINE_IDS = "1.3.6.1.6.3.15.1.1.4.0"
    WRONG_DIGESTS = "1.3.6.1.6.3.15.1.1.5.0"
    DECRYPTION_ERRORS = "1.3.6.1.6.3.15.1.1.6.0"
    UNKNOWN_PDU_HANDLERS = "1.3.6.1.6.3.11.2.1.3.0"
    UNKNOWN_CONTEXTS = "1.3.6.1.6.3.12.1.5.0"


class Reported(Exception):
    """The question is answered by a report; `level` are the flags that the report is protected with."""

    def __init__(self, report: Report, level: int = 0) -> None:
        super().__init__(report.name)
        self.report = report
        self.level = level


class SecureEngine:
    """An authoritative engine. `clock` gives seconds; `reports` counts what was reported since the start."""

    def __init__(
        self,
        engine_id: bytes,
        users: Iterable[User],
        contexts: Mapping[str, Tree],
        boots: int,
        clock: Callable[[], float],
    ) -> None:
        if not 5 <= len(engine_id) <= 32:
            raise ValueError("An engine id has 5 to 32 octets.")
        self.engine_id = engine_id
        self.contexts = {name.encode(): tree for name, tree in contexts.items()}
        self.boots = boots
        self.reports: Counter[Report] = Counter()
        self._clock = clock
        self._started = clock()
        self._users = {user.name.encode(): user for user in users}
        self._keys: dict[bytes, Keys] = {}
        self._salt = secrets.randbits(63)

    @property
    def seconds(self) -> int:
        """Engine time: seconds since the last boot. Setting it moves the boot's instant."""
        return int(self._clock() - self._started)

    @seconds.setter
    def seconds(self, seconds: int) -> None:
        self._started = self._clock() - seconds

    def reboot(self) -> None:
        self.boots = min(self.boots + 1, MAX_BOOTS)
        self.seconds = 0

    def answer(self, whole: bytes, framed: Framed, respond: Respond, max_size: int) -> bytes | None:
        """The response, a report, or None where the question asks for no report."""
        if framed.model != USM or framed.flags & (AUTH | PRIV) == PRIV:
            raise Malformed("The security model or its level is none of ours.")
        scoped: Scoped | None = None
        try:
            keys = self._authentic(whole, framed)
            scoped = self._opened(framed, keys)
            tree = self._addressed(scoped, framed.flags & (AUTH | PRIV))
        except Reported as unfit:
            if framed.flags & REPORTABLE:
                return self.reported(framed, unfit.report, unfit.level, scoped)
            self.reports[unfit.report] += 1
            return None
        return self._respond(framed, keys, scoped, tree, respond, max_size)

    def _authentic(self, whole: bytes, framed: Framed) -> Keys:
        security, level = framed.security, framed.flags & (AUTH | PRIV)
        if security.engine_id != self.engine_id:
            raise Reported(Report.UNKNOWN_ENGINE_IDS)
        user = self._users.get(security.user)
        if user is None:
            raise Reported(Report.UNKNOWN_USER_NAMES)
        if level & ~user.level:
            raise Reported(Report.UNSUPPORTED_SEC_LEVELS)
        keys = self._keys_of(user)
        if level & AUTH:
            if not keys.is_signed(whole, framed):
                raise Reported(Report.WRONG_DIGESTS)
            if not self._is_timely(security):
                raise Reported(Report.NOT_IN_TIME_WINDOWS, AUTH)
        return keys

    def _keys_of(self, user: User) -> Keys:
        name = user.name.encode()
        if name not in self._keys:
            self._keys[name] = Keys.of(user, self.engine_id)
        return self._keys[name]

    def _is_timely(self, security: Security) -> bool:
        return (
            security.boots == self.boots
            and self.boots != MAX_BOOTS
            and abs(security.time - self.seconds) <= TIME_WINDOW
        )

    def _opened(self, framed: Framed, keys: Keys) -> Scoped:
        if bool(framed.flags & PRIV) != framed.encrypted:
            raise Malformed("The flags do not tell whether the scoped PDU is encrypted.")
        if not framed.encrypted:
            return parse_scoped(framed.data)
        security = framed.security
        try:
            return parse_scoped(keys.decrypted(framed.data, security.salt, security.boots, security.time))
        except (DecryptionFailed, Malformed):
            raise Reported(Report.DECRYPTION_ERRORS, AUTH) from None

    def _addressed(self, scoped: Scoped, level: int) -> Tree:
        if scoped.engine_id not in (self.engine_id, b""):
            raise Reported(Report.UNKNOWN_PDU_HANDLERS, level)
        tree = self.contexts.get(scoped.context)
        if tree is None:
            raise Reported(Report.UNKNOWN_CONTEXTS, level)
        return tree

    def _respond(
        self, framed: Framed, keys: Keys, scoped: Scoped, tree: Tree, respond: Respond, max_size: int
    ) -> bytes:
        level, user, pdu = framed.flags & (AUTH | PRIV), keys.user, scoped.pdu
        names = 2 * len(self.engine_id) + len(framed.security.user) + len(scoped.context)
        if level != user.level:
            response = refusal(pdu, Status.AUTHORIZATION_ERROR, 0, V3)
        else:
            response = respond(pdu, tree, user, min(max_size, framed.max_size) - ROOM_AROUND - names)
        return self._wrapped(framed, level, encode_scoped(self.engine_id, scoped.context, response), max_size)

    def reported(self, framed: Framed, report: Report, level: int = 0, scoped: Scoped | None = None) -> bytes:
        """A report to a question, protected as the flags in `level` say; it is counted."""
        self.reports[report] += 1
        count = varbind(report, Type.COUNTER32, self.reports[report])
        pdu = encode_pdu(PduType.REPORT, _request_id(framed, scoped), count)
        return self._wrapped(framed, level, encode_scoped(self.engine_id, b"", pdu), MAX_DATAGRAM)

    def plain(self, framed: Framed, pdu: bytes) -> bytes:
        """A message to the asker that is neither signed nor encrypted, whatever was asked for."""
        return self._wrapped(framed, 0, encode_scoped(self.engine_id, b"", pdu), MAX_DATAGRAM)

    def _wrapped(self, framed: Framed, level: int, scoped: bytes, max_size: int) -> bytes:
        user, seconds, salt = framed.security.user, self.seconds, b""
        keys = self._keys_of(self._users[user]) if level else None
        if keys and level & PRIV:
            self._salt += 1
            scoped, salt = keys.encrypted(scoped, self.boots, seconds, self._salt)
        security = Security(self.engine_id, self.boots, seconds, user, b"", salt, 0)
        made = Framed(framed.message_id, max_size, level, USM, security, bool(level & PRIV), scoped)
        return keys.signed(made) if keys else Keys(User(""), b"", b"").signed(made)


def _request_id(framed: Framed, scoped: Scoped | None) -> int:
    """RFC 3412 section 7.1.3 c: the question's where it can be read, else 0."""
    if scoped is None and not framed.encrypted:
        try:
            scoped = parse_scoped(framed.data)
        except Malformed:
            return 0
    return scoped.pdu.request_id if scoped else 0
