"""Reads by gufo-snmp: fast, and for what goes well. Whatever it cannot tell is asked again by the complete
engine.

gufo-snmp 0.13 hides an answer's error status, stops without a word where an answer holds nothing, keeps no
answer above a few kilobytes and knows no context names. It believes answers that nobody signed, which
`authentic` mends.
"""

from __future__ import annotations

import asyncio
import ipaddress
import resource
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Protocol

from gufo.snmp import SnmpAuthError, User
from gufo.snmp._fast import GetIter

from integrations.snmp.bounds import WALK_SECONDS, Gathering, Memories, Rows, plain
from integrations.snmp.ending import next_datagram, says_end
from integrations.snmp.gufo_session import Session, Unclear, open_session, user_of
from integrations.snmp.target import (
    Answers,
    BadCredentials,
    Credential,
    Engine,
    Malformed,
    Silent,
    Target,
    Version,
    Walked,
)

ENGINE_TIME_FRESH = 120.0
"""Seconds that a v3 session may rest: an agent bears 150 s of difference (RFC 3414)."""
MAX_SESSIONS = min(max(resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 8, 128), 1024)
"""An eighth of the files that this process may have open."""
MAX_USERS = 256
LEAST_TIMEOUT = 0.01
NOBODY = User.default()


class Continues(Engine, Protocol):
    """An engine that can go on with a walk that another began."""

    async def walk_on(self, target: Target, found: Gathering, *, in_trouble: bool) -> Walked: ...


class GufoEngine:
    """Reads by gufo-snmp; `complete` answers where it cannot tell. v3 keys are made from passwords once."""

    name = "gufo"

    def __init__(
        self,
        complete: Continues,
        memories: Memories,
        *,
        in_flight: int = 64,
        sessions: int = MAX_SESSIONS,
        walk_seconds: float = WALK_SECONDS,
    ) -> None:
        self.complete = complete
        self.memories = memories
        self.most = sessions
        self.walk_seconds = walk_seconds
        self._slots = asyncio.Semaphore(in_flight)
        self._idle: dict[tuple[str, int, Credential], Session] = {}
        self._users: dict[Credential, User] = {}
        self._closed = False

    def serves(self, target: Target) -> bool:
        """Not v3's contexts, and not hosts by name: gufo-snmp takes addresses."""
        return not target.credential.context and _is_address(target.address)

    async def get(self, target: Target, oids: Sequence[str]) -> Answers:
        async with self._slots:
            size = self.memories.of(target).variables
            if len(oids) <= size:
                return await self._get(target, list(oids))
            answers: Answers = {}
            for start in range(0, len(oids), size):
                answers.update(await self._get(target, list(oids[start : start + size])))
            return answers

    async def _get(self, target: Target, oids: list[str]) -> Answers:
        if not oids:
            return {}
        try:
            answers = await self._ask(target, lambda socket: (_asks(socket, oids), socket.recv_get_many))
        except Unclear:
            self.memories.of(target).fewer_variables(len(oids) if len(oids) > 1 else 2)
            answers = None
        if not answers:
            return await self.complete.get(target, oids)
        return _as_asked(answers, oids) or await self.complete.get(target, oids)

    async def walk(self, target: Target, base: str, *, limit: int = 20_000) -> Walked:
        found = Gathering(base, limit, self.walk_seconds)
        async with self._slots:
            try:
                await self._gather(target, found, base)
            except (Unclear, Silent, Malformed):
                return await self.complete.walk_on(target, found, in_trouble=True)
            if found.going_on:
                return await self.complete.walk_on(target, found, in_trouble=False)
            return found.walked()

    async def _gather(self, target: Target, found: Gathering, base: str) -> None:
        """As far as gufo can tell: a walk that is still going on afterwards may be at its end or refused."""
        place = GetIter(base, self.memories.of(target).max_repetitions)
        version = target.credential.version
        bulk = version is not Version.V1

        def follows(socket: Any) -> tuple[Callable[[], None], Callable[[], Any]]:
            return _follows(socket, place, found.last if version is Version.V2C else None, bulk=bulk)

        while found.going_on:
            rows = await self._ask(target, follows)
            if rows is None:
                return
            _take(found, rows if bulk else [rows])

    async def _ask(self, target: Target, question: Callable[[Any], tuple[Any, Any]]) -> Any:
        """One exchange in a session of the target's; a session that failed is not used again.

        A v3 agent may be another than it was, whose refusals do not even fit: so what an agent does not
        understand is asked once more of whoever is there now.
        """
        try:
            session, is_new = await self._session(target)
            try:
                return await self._in(session, target, question)
            except (SnmpAuthError, Malformed):
                if is_new or target.credential.version is not Version.V3:
                    raise
            return await self._in(await self._open(target, None), target, question)
        except SnmpAuthError:
            raise BadCredentials("The agent refuses these credentials.") from None

    async def _in(self, session: Session, target: Target, question: Callable[[Any], tuple[Any, Any]]) -> Any:
        send, receive = question(session.socket)
        try:
            answer = await session.exchange(send, receive, _seconds(target), target.retries)
        except BaseException:
            session.close()
            raise
        self._keep(target, session)
        return answer

    async def _session(self, target: Target) -> tuple[Session, bool]:
        """A resting session or a new one, and whether it has just discovered the agent's engine."""
        kept = self._idle.pop((target.address, target.port, target.credential), None)
        if kept is not None:
            if time.monotonic() - kept.used_at > ENGINE_TIME_FRESH:
                await kept.refresh(_seconds(target), target.retries)
            return kept, False
        known = self.memories.of(target).engine_id
        if known is None:
            return await self._open(target, None), True
        try:
            return await self._open(target, known), False
        except (SnmpAuthError, Malformed):
            return await self._open(target, None), True

    async def _open(self, target: Target, engine_id: bytes | None) -> Session:
        user = self._user(target.credential)
        session = open_session(target, user, engine_id)
        met = await session.acquaint(
            user, discovers=not engine_id, seconds=_seconds(target), retries=target.retries
        )
        self.memories.of(target).meet(met)
        return session

    def _user(self, credential: Credential) -> User:
        """Made once a credential, since v3's keys are dear."""
        if credential.version is not Version.V3:
            return NOBODY
        known = self._users.get(credential)
        if known is None:
            if len(self._users) >= MAX_USERS:
                self._users.clear()
            known = self._users[credential] = user_of(credential)
        return known

    def _keep(self, target: Target, session: Session) -> None:
        """The session waits for the target's next question; of several at once the last."""
        if self._closed:
            session.close()
            return
        session.used_at = time.monotonic()
        place = (target.address, target.port, target.credential)
        if place in self._idle:
            self._idle.pop(place).close()
        self._idle[place] = session
        if len(self._idle) > self.most:
            self._idle.pop(next(iter(self._idle))).close()

    async def close(self) -> None:
        self._closed = True
        while self._idle:
            self._idle.popitem()[1].close()


def _asks(socket: Any, oids: list[str]) -> Callable[[], None]:
    return lambda: socket.send_get_many(oids)


def _follows(
    socket: Any, place: GetIter, last: str | None, *, bulk: bool
) -> tuple[Callable[[], None], Callable[[], Any]]:
    """`last` is the object to go on from where an answer may be read as it came (v2c)."""
    if not bulk:
        return lambda: socket.send_get_next(place), lambda: socket.recv_get_next(place)
    if last is None:
        return lambda: socket.send_get_bulk(place), lambda: socket.recv_get_bulk(place)
    return lambda: socket.send_get_bulk(place), lambda: _rows_or_end(socket, place, last)


def _rows_or_end(socket: Any, place: GetIter, last: str) -> Any:
    """The next rows; a None alone where the agent says that there are no more."""
    came = next_datagram(socket.get_fd())
    try:
        return socket.recv_get_bulk(place)
    except StopAsyncIteration:
        if says_end(came, last):
            return [None]
        raise


def _take(found: Gathering, rows: list[Any]) -> None:
    """A None at the end of an answer says that the rest lies elsewhere, or that there is none."""
    left = rows[-1] is None
    if left:
        rows.pop()
    taken: Rows = [(oid, plain(value) if type(value) is bytes else value) for oid, value in rows]
    found.take(taken)
    if left and found.going_on:
        found.end()


def _as_asked(answers: Answers, oids: list[str]) -> Answers:
    """Without what nobody asked for, opaque numbers as numbers."""
    if list(answers) != oids:
        asked = set(oids)
        if not answers.keys() <= asked:
            answers = {oid: value for oid, value in answers.items() if oid in asked}
    if bytes in set(map(type, answers.values())):
        for oid, value in answers.items():
            if type(value) is bytes and value[:1] == b"\x9f":
                answers[oid] = plain(value)
    return answers


@lru_cache(maxsize=20_000)
def _is_address(address: str) -> bool:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


def _seconds(target: Target) -> float:
    return max(target.timeout, LEAST_TIMEOUT)
