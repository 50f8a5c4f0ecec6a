"""pysnmp's engine and sockets, kept so that neither a flood nor another's credentials get in the way. Source:
pysnmp 7.1.30, `entity/config.py`, `carrier/asyncio/dgram/base.py`.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from pyasn1.error import PyAsn1Error  # type: ignore[import-untyped]
from pysnmp.carrier.asyncio.dgram import udp, udp6  # type: ignore[import-untyped]
from pysnmp.entity import config  # type: ignore[import-untyped]
from pysnmp.entity.engine import SnmpEngine  # type: ignore[import-untyped]
from pysnmp.error import PySnmpError  # type: ignore[import-untyped]

from integrations.snmp.authentic import message_id
from integrations.snmp.target import AuthProtocol, Credential, PrivProtocol, Target, Version

AUTH = {
    AuthProtocol.MD5: config.USM_AUTH_HMAC96_MD5,
    AuthProtocol.SHA1: config.USM_AUTH_HMAC96_SHA,
    AuthProtocol.SHA224: config.USM_AUTH_HMAC128_SHA224,
    AuthProtocol.SHA256: config.USM_AUTH_HMAC192_SHA256,
    AuthProtocol.SHA384: config.USM_AUTH_HMAC256_SHA384,
    AuthProtocol.SHA512: config.USM_AUTH_HMAC384_SHA512,
}
PRIV = {
    PrivProtocol.DES: config.USM_PRIV_CBC56_DES,
    PrivProtocol.AES128: config.USM_PRIV_CFB128_AES,
    PrivProtocol.AES192: config.USM_PRIV_CFB192_AES_BLUMENTHAL,
    PrivProtocol.AES256: config.USM_PRIV_CFB256_AES_BLUMENTHAL,
}
MODEL = {Version.V1: 0, Version.V2C: 1, Version.V3: 3}
TICK = 0.1
"""Seconds: pysnmp's clock, by which a time-out may come early."""
RECEIVE_BUFFER = 4 * 1024 * 1024
MAX_ADDRESSES = 4_000
MAX_DATAGRAMS = 16
MAX_OCTETS = 160_000
"""Of datagrams that are decoded for one question."""


@dataclass(slots=True)
class Question:
    """A question in flight. `moves` counts what its agent moved on: an answer, or the next try's question.
    `junk` counts datagrams that did not, while the first try ran.
    """

    first_until: float
    datagrams: int = 0
    octets: int = 0
    heard: bytes = b"?"
    numbers: set[int] = field(default_factory=set)
    moves: int = 0
    junk: int = 0


class _Port:
    """Of pysnmp's two UDP transports: hears only hosts that were asked, and decodes where errors end."""

    in_flight: dict[tuple[str, int], list[Question]]

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        made = transport.get_extra_info("socket")
        if made is not None:
            with suppress(OSError):
                made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        super().connection_made(transport)  # type: ignore[misc]

    def datagram_received(self, datagram: bytes, address: tuple[Any, ...]) -> None:
        """What is decoded for one question is bounded: the rest would be a flood."""
        questions = self.in_flight.get((address[0], address[1]))
        if not questions:
            return
        number = message_id(datagram)
        question = next((each for each in questions if number in each.numbers), None)
        if question is None:
            _count_junk(questions)
            return
        if datagram == question.heard:
            return
        question.heard = datagram
        question.datagrams += 1
        question.octets += len(datagram)
        if question.datagrams > MAX_DATAGRAMS or question.octets > MAX_OCTETS:
            return
        moves = sum(each.moves for each in questions)
        with suppress(PySnmpError, PyAsn1Error, RecursionError, ArithmeticError, LookupError, *_ODD):
            self._callback_function(self, address, datagram)  # type: ignore[attr-defined]
        if moves == sum(each.moves for each in questions):
            _count_junk(questions)

    def send_message(self, message: bytes, address: Any) -> None:
        """pysnmp numbers its questions one after another and takes an answer from anybody who knows the
        number, so the number is tied to the place here.
        """
        number = message_id(message)
        for question in self.in_flight.get((address[0], address[1]), ()):
            question.moves += 1
            if number is not None:
                question.numbers.add(number)
        super().send_message(message, address)  # type: ignore[misc]

    def error_received(self, problem: Exception) -> None:
        """An unconnected port cannot tell whose error it is."""


def _count_junk(questions: list[Question]) -> None:
    now = time.monotonic()
    for question in questions:
        question.junk += now < question.first_until


_ODD = (TypeError, ValueError, AttributeError)
"""What pysnmp itself stumbles with over answers that nobody foresaw."""


class _Port4(_Port, udp.UdpAsyncioTransport):  # type: ignore[misc]
    pass


class _Port6(_Port, udp6.Udp6AsyncioTransport):  # type: ignore[misc]
    pass


@dataclass(slots=True)
class Household:
    """A SnmpEngine and the names under which it knows our credentials and addresses."""

    engine: Any
    in_flight: dict[tuple[str, int], list[Question]] = field(default_factory=dict)
    domains: dict[int, Any] = field(default_factory=dict)
    users: dict[str, Credential] = field(default_factory=dict)
    communities: dict[str, str] = field(default_factory=dict)
    parameters: dict[Credential, str] = field(default_factory=dict)
    addresses: dict[tuple[Any, ...], str] = field(default_factory=dict)
    engine_ids: dict[tuple[str, int], bytes] = field(default_factory=dict)
    busy: int = 0
    retired: bool = False

    @classmethod
    def new(cls) -> Household:
        """Inside the running event loop that it will live in."""
        made = cls(SnmpEngine())
        made.engine.observer.register_observer(made._meets, "rfc3412.prepareDataElements:response")
        return made

    def _meets(self, engine: Any, point: str, variables: dict[str, Any], context: Any) -> None:
        host, port, *_ = variables["transportAddress"]
        self.engine_ids[host, port] = variables["securityEngineId"].asOctets()

    @property
    def spent(self) -> bool:
        """No more questions: retired, full, or its clock has died (pysnmp would wait for ever)."""
        dispatcher = self.engine.transport_dispatcher
        stopped = (
            dispatcher is not None and dispatcher.loopingcall is not None and dispatcher.loopingcall.done()
        )
        return self.retired or stopped or len(self.addresses) >= MAX_ADDRESSES

    def suits(self, credential: Credential) -> bool:
        """pysnmp has one set of keys a user name."""
        if self.spent:
            return False
        known = self.users.get(credential.user)
        return credential.version is not Version.V3 or known is None or _same_keys(known, credential)

    @contextmanager
    def asking(self, place: tuple[str, int], question: Question) -> Iterator[None]:
        """While a question is in flight its agent is heard."""
        questions = self.in_flight.setdefault(place, [])
        questions.append(question)
        try:
            yield
        finally:
            questions.remove(question)
            if not questions:
                self.in_flight.pop(place, None)

    def named(self, target: Target, place: tuple[str, int], retries: int) -> str:
        """The target's name in this engine, made where there is none."""
        domain = self._domain(6 if ":" in place[0] else 4)
        parameters = self._parameters(target.credential)
        hundredths = int((target.timeout + TICK) * 100)
        key = (place, parameters, hundredths, retries)
        name = self.addresses.get(key)
        if name is None:
            name = f"a{len(self.addresses)}"
            config.add_target_address(self.engine, name, domain, place, parameters, hundredths, retries)
            self.addresses[key] = name
        return name

    def _domain(self, version: int) -> Any:
        if version not in self.domains:
            kind, domain = ((_Port6, udp6.DOMAIN_NAME), (_Port4, udp.DOMAIN_NAME))[version == 4]
            port = kind()
            port.in_flight = self.in_flight
            config.add_transport(self.engine, domain, port.open_client_mode())
            self.domains[version] = domain
        return self.domains[version]

    def _parameters(self, credential: Credential) -> str:
        name = self.parameters.get(credential)
        if name is None:
            name = f"p{len(self.parameters)}"
            if credential.version is Version.V3:
                security, level = credential.user, _level(credential)
                self._add_user(credential)
            else:
                security, level = self._community(credential.community), "noAuthNoPriv"
            config.add_target_parameters(self.engine, name, security, level, MODEL[credential.version])
            self.parameters[credential] = name
        return name

    def _community(self, community: str) -> str:
        security = self.communities.get(community)
        if security is None:
            security = self.communities[community] = f"c{len(self.communities)}"
            config.add_v1_system(self.engine, security, community.encode(), securityName=security)
        return security

    def _add_user(self, credential: Credential) -> None:
        if credential.user in self.users:
            return
        config.add_v3_user(
            self.engine,
            credential.user,
            AUTH[credential.auth] if credential.auth else config.USM_AUTH_NONE,
            credential.auth_password.encode() or None,
            PRIV[credential.priv] if credential.priv else config.USM_PRIV_NONE,
            credential.priv_password.encode() or None,
        )
        self.users[credential.user] = credential

    async def close(self) -> None:
        """Sockets and the clock, and the turns of the loop that they need to be gone."""
        dispatcher = self.engine.transport_dispatcher
        if dispatcher is None:
            return
        ticking = dispatcher.loopingcall
        self.engine.close_dispatcher()
        if ticking is not None:
            await asyncio.gather(ticking, return_exceptions=True)
        await asyncio.sleep(0)


def _same_keys(one: Credential, other: Credential) -> bool:
    keys = ("auth", "auth_password", "priv", "priv_password")
    return all(getattr(one, key) == getattr(other, key) for key in keys)


def _level(credential: Credential) -> str:
    if credential.auth is None:
        return "noAuthNoPriv"
    return "authNoPriv" if credential.priv is None else "authPriv"
